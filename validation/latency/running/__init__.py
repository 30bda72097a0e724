"""Running what is timed: in turns, in processes of their own."""
