"""Measures how long an artifact takes and how much memory it needs, on a target chosen by name.

``targets`` lists the targets: this machine's processor, Core ML on a Mac, other versions of torch,
an emulated processor, and phones. On this machine each artifact runs in its own process
(``running/worker`` in the child, ``running/session`` in the parent). The artifacts take turns
(``measuring``) while ``machine/host`` checks that nothing disturbs them. On phones (``phones``) an
app does the measuring. docs/latency.md describes the method.
"""
