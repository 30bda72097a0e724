"""Deprecated alias of ``reference.modeling.variants``; version 0.2 removes it."""

from reference.modeling.variants import *  # noqa: F403  an alias of the whole module
