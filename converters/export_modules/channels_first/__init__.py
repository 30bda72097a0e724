"""The modules for Core ML."""
