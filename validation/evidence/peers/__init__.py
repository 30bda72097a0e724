"""Measures the figures of docs/evidence/peers.md: ``python -m validation.evidence.peers``.

``installation`` makes a Python environment with other projects' programs. In it, ``measure`` runs all
``contestants`` side by side, as ``validation.latency`` does, and ``page`` writes the page. The command
needs a checkout of the project.
"""
