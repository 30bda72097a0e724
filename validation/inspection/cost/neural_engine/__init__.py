"""Rules of thumb about operations that may leave the Neural Engine, or be slow on it."""
