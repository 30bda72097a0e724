"""The modules for the Neural Engine, in the layout that it computes in.

An image is (1, C, H, W), and the tokens of a window are (windows, C, 1, T). No tensor has more than four axes, linear
layers are 1×1 convolutions, and the last axis is wide where it can be: the engine pads it to 64 bytes.
"""
