"""The folder in which downloads are kept."""

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "MOBILE_SAM_CACHE"  # environment variable that names another folder


def cache_folder() -> Path:
    """Return ``$MOBILE_SAM_CACHE`` if it is set, and the user's cache folder of this platform otherwise."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("mobile-sam-export"))
