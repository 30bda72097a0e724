"""What is timed where: a processor, Core ML, an environment, a phone."""
