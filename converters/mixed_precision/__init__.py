"""Mixed precision: choosing for each layer how its weight is stored, so that a small file keeps its masks.

``sensitivity`` measures what each way to store a layer costs the masks, ``allocation`` buys the best ones for a size,
and ``search`` finds the size, or the masks, that were asked for.
"""
