"""The machine that measures: its cores, its memory, and what other processes use of them."""
