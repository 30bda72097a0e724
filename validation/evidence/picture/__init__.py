"""The README's picture: the reference mask and an artifact's mask of the same object."""
