"""Core ML's compute plan: the device on which it runs each operation."""
