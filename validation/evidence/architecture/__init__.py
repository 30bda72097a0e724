"""Draws the picture in docs/architecture.md from the imports: ``python -m validation.evidence.architecture``."""
