"""Rounding weights so that layers keep their outputs, whatever the file format stores them in."""
