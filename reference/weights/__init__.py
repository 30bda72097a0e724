"""Weights: reading and downloading checkpoints, and mapping their tensor names."""
