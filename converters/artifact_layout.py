"""Names in an artefact folder, shared by what writes it and what reads it; imports nothing heavy."""

FORMATS = ("torchscript", "coreml")
COMPONENTS = ("image_encoder", "mask_decoder")

MANIFEST_FILE = "manifest.json"
MANIFEST_SCHEMA = "mobile-sam-export/artifact/1"

GOLDENS_FOLDER = "goldens"
GOLDENS_FILE = "goldens.json"
GOLDENS_SCHEMA = "mobile-sam-export/goldens/1"
