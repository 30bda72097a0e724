"""The modules for CPUs: every tensor between the first convolution and the last one has its channels on the last axis.

An image is (1, H, W, C), so the tokens of the transformer and the pixels of the convolutions are the same bytes, and
nothing is copied between them. Convolution kernels of CPUs (oneDNN, XNNPACK) compute in this layout as well.
"""
