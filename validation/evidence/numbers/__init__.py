"""Measures what docs/evidence/numbers.md states: ``python -m validation.evidence.numbers``, from a checkout."""
