"""TorchScript Lite files."""
