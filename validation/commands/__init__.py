"""The commands of ``validate``: each parses its options and calls a function that does the work."""
