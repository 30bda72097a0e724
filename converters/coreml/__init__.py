"""Converting export modules to Core ML packages."""
