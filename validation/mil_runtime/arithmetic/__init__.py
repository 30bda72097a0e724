"""Arithmetic that is shared by several families of operators."""
