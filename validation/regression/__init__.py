"""Compares an artifact with a committed baseline: masks, latency, memory, size, operators and manifest.

``observation`` measures an artifact, ``baseline`` reads and writes the committed file, and ``judging``
compares the two within ``limits``. ``devices`` compares the results of apps on phones in the same way.
docs/regression.md describes the checks.
"""
