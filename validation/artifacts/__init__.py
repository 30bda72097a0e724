"""An artifact folder that is whole, and what it tells apps."""
