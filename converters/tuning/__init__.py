"""Tuning what a quantized model stores in 16 bits, so that it draws the masks of the float model."""
