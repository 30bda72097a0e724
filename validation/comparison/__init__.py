"""Comparing artifacts with the reference, mask by mask and stage by stage, up to the verdict."""
