"""Measures what docs/numbers.md states: ``python -m validation.numbers``, from a checkout."""
