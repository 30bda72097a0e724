"""The machine: its cores, its memory, and who else uses them."""
