"""Reading photos, preparing them for the network, and drawing masks on them."""
