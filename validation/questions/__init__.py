"""What is asked of the reference and of an artifact, and how a photo becomes a mask."""
