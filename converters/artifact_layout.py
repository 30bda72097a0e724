"""Names in an artifact folder, shared by writers and readers. The module imports nothing heavy."""

from reference.common.artifact_marker import MANIFEST_FILE, MANIFEST_SCHEMA

__all__ = [
    "COMPONENTS",
    "FORMATS",
    "GOLDENS_FILE",
    "GOLDENS_FOLDER",
    "GOLDENS_SCHEMA",
    "MANIFEST_FILE",
    "MANIFEST_SCHEMA",
]

FORMATS = ("torchscript", "coreml")
COMPONENTS = ("image_encoder", "mask_decoder")
MAX_PROMPT_SLOTS = 64  # most prompt slots that a mask decoder may have

GOLDENS_FOLDER = "goldens"
GOLDENS_FILE = "goldens.json"
GOLDENS_SCHEMA = "mobile-sam-export/goldens/1"
