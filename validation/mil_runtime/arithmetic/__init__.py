"""Arithmetic that several families of operators share."""
