"""Draws the picture in docs/architecture.md: ``python -m validation.evidence.architecture``."""
