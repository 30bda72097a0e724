"""Measures the figures of docs/evidence/numbers.md: ``python -m validation.evidence.numbers``.

The command needs a checkout of the project.
"""
