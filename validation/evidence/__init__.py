"""Measures the figures on the pages in docs/evidence."""
