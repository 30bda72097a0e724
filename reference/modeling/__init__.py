"""The network: image encoder, prompt encoder and mask decoder."""
