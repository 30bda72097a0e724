"""Weights: where they come from, and the names that they bear."""
