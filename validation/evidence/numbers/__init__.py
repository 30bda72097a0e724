"""Measures what docs/numbers.md states: ``python -m validation.evidence.numbers``, from a checkout."""
