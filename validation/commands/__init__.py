"""The commands: options and nothing else."""
