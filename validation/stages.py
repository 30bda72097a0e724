"""The stages from a photo to its masks, by the names that results bear."""

PREPROCESSING, IMAGE_ENCODER = "preprocessing", "image_encoder"
MASK_DECODER, MASK_RESIZE = "mask_decoder", "mask_resize"
STAGES = (PREPROCESSING, IMAGE_ENCODER, MASK_DECODER, MASK_RESIZE)  # in order
