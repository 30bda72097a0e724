"""Where downloads are kept."""

import os
from pathlib import Path

import platformdirs

CACHE_VARIABLE = "MOBILE_SAM_CACHE"  # environment variable: the folder to use instead


def cache_folder() -> Path:
    """$MOBILE_SAM_CACHE, or else the platform's cache folder."""
    return Path(os.environ.get(CACHE_VARIABLE) or platformdirs.user_cache_dir("mobile-sam-export"))
