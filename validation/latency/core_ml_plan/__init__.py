"""Where Core ML says that it runs each operation."""
