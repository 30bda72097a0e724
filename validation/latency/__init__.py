"""How long an artifact takes, and how much memory, on targets that are chosen by name.

``targets`` finds them. ``cpu`` measures on this machine: each artifact in a process of its own
(``worker`` in the child, ``session`` here), taking turns (``measuring``) that ``host`` watches over.
So does ``core_ml`` on a Mac, and ``environments`` in other versions of torch and on an emulated
processor; ``phones`` have an app measure. docs/latency.md describes the method.
"""
