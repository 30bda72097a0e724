"""coremltools' own tests, run with ``mil_runtime`` in the place of Core ML."""
