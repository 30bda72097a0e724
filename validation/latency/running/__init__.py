"""Runs the artifacts that are timed: in turns, each in its own process."""
