"""The names of the stages from a photo to its masks, under which results report them."""

PREPROCESSING, IMAGE_ENCODER = "preprocessing", "image_encoder"
MASK_DECODER, MASK_RESIZE = "mask_decoder", "mask_resize"
STAGES = (PREPROCESSING, IMAGE_ENCODER, MASK_DECODER, MASK_RESIZE)  # in the order in which they run
