"""Deprecated alias of ``reference.common.errors``; version 0.2 removes it."""

from reference.common.errors import *  # noqa: F403  an alias of the whole module
