"""Converting export modules to TorchScript Lite files, and checking that phones can run them."""
