"""The demo weights and their artifacts in a temporary folder, which several measurements share."""

import functools
import gc
from pathlib import Path

import torch

from converters.conversion import Source, load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.coreml.schemes import SCHEMES as COREML_SCHEMES
from converters.torchscript.options import SCHEMES as TORCHSCRIPT_SCHEMES
from converters.torchscript.options import TorchScriptOptions
from validation.artifacts.artifact import Artifact, load_artifact

THREADS = 2
OPTIONS = {"torchscript": TorchScriptOptions, "coreml": CoreMLOptions}
# All artifacts, as (format, scheme).
ARTIFACTS = (
    *(("torchscript", scheme) for scheme in TORCHSCRIPT_SCHEMES),
    *(("coreml", scheme) for scheme in COREML_SCHEMES),
)


class Bench:
    """Converts each artifact once, when it is first needed."""

    def __init__(self, folder: Path) -> None:
        torch.set_num_threads(THREADS)
        self.folder = folder
        self.artifact = functools.cache(self._convert)

    @functools.cached_property
    def source(self) -> Source:
        """The demo weights, and the reference's answers for the sample photos."""
        return load_source("demo")

    def _convert(self, format_name: str, scheme: str) -> Artifact:
        folder = write_artifact(self.source, OPTIONS[format_name](scheme), self.folder)
        gc.collect()  # a converted program is large and refers to itself, so reference counts do not free it
        return load_artifact(folder)
