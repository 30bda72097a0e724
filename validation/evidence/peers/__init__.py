"""Measures what docs/evidence/peers.md states: ``python -m validation.evidence.peers``, from a checkout.

``environment`` makes a Python with other people's programs in it, in which ``measure`` runs all
``contestants`` side by side with the means of ``validation.latency``; ``page`` writes the page.
"""
