"""Looks into a program: its operations, the reference modules they came from, their drift and their cost."""
