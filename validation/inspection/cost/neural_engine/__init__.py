"""Rules of thumb: what may keep an operation off the Neural Engine."""
