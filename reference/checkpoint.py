"""Deprecated alias of ``reference.weights.checkpoint``; version 0.2 removes it."""

from reference.weights.checkpoint import *  # noqa: F403  an alias of the whole module
