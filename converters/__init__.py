"""From the reference model to artefacts that run on phones."""

import logging

# Before anything here imports coremltools, which warns at import of all that it lacks off the Mac.
logging.getLogger("coremltools").setLevel(logging.ERROR)
