"""Runs coremltools' own tests with ``mil_runtime`` instead of Core ML."""
