"""Photos: reading, preparing for the network, and drawing masks on them."""
