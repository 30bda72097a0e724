"""The targets that artifacts are timed on: a processor, Core ML, an environment, a phone."""
