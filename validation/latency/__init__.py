"""How long an artefact takes, and how much memory, on targets that are chosen by name.

``targets`` finds them, ``cpu`` measures on this machine: each artefact in a process of its own
(``worker`` in the child, ``session`` here), taking turns (``measuring``) that ``host`` watches over.
docs/latency.md describes the method.
"""
