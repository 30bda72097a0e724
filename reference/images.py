"""Deprecated alias of ``reference.photos.images``; version 0.2 removes it."""

from reference.photos.images import *  # noqa: F403  an alias of the whole module
