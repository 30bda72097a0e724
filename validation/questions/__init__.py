"""The photos and prompts that reference and artifact are asked about, and the way from a photo to a mask."""
