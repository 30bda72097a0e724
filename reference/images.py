"""The former address of ``reference.photos.images``, for programs that import it; version 0.2 will not have it."""

from reference.photos.images import *  # noqa: F403
