"""The programs that run side by side: the reference, the peers with its weights, and our artifacts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from converters.conversion import Source
from validation.artifacts.artifact import Artifact
from validation.engines import engine_openers
from validation.engines.openers import Opener
from validation.evidence.peers import openers
from validation.evidence.peers.files import (
    Components,
    export_onnx,
    prepare_to_quantize,
    quantize_dynamic,
    quantize_static,
    write_official,
)

BASELINE, PEER, OURS, EMULATED = "baseline", "peer", "ours", "emulated"


@dataclass(frozen=True)
class Contestant:
    """A program that draws masks for the same photo and prompts as all others.

    Attributes:
        name: the name in tables.
        kind: BASELINE, PEER, OURS or EMULATED. EMULATED is one of our artifacts that another runtime
            than the device's runs.
        artifact: the artifact; a peer's artifact has the peer's files as components.
        openers: the openers of its engines, as ``engine_openers`` returns them.
    """

    name: str
    kind: str
    artifact: Artifact
    openers: tuple[Opener, ...]

    @property
    def size_bytes(self) -> int:
        """The bytes of both components' files, each counted once."""
        return self.artifact.size_bytes


def contestants(
    source: Source, artifacts: Sequence[Artifact], folder: Path
) -> Iterator[Contestant]:
    """Yield the baseline, the peers, and the artifacts, in this order.

    Args:
        source: the weights that all of them use.
        artifacts: our artifacts, converted from ``source``; there must be at least one.
        folder: the folder for the peers' files.
    """
    like = artifacts[0]
    checkpoint = write_official(source, folder)
    float32 = export_onnx(source, folder)
    prepared = prepare_to_quantize(float32, folder)
    yield _foreign(like, "PyTorch eager, the reference", BASELINE, checkpoint, openers.eager)
    yield _foreign(like, "ultralytics", PEER, checkpoint, openers.ultralytics)
    for name, files in (
        ("onnxruntime float32", float32),
        ("onnxruntime int8, dynamic", quantize_dynamic(prepared, folder)),
        ("onnxruntime int8, static", quantize_static(prepared, source, folder)),
    ):
        yield _foreign(like, name, PEER, files, openers.onnxruntime)
    yield from map(_own, artifacts)


def _foreign(
    like: Artifact, name: str, kind: str, components: Components, opener: Opener
) -> Contestant:
    # The model, slots and conventions come from ``like``, the files and the name from the peer.
    artifact = replace(like, folder=Path(name), format=kind, components=components)
    return Contestant(name, kind, artifact, (opener,))


def _own(artifact: Artifact) -> Contestant:
    if artifact.format == "coreml":
        name, kind, engine = f"Core ML {artifact.scheme}, mil_runtime", EMULATED, "mil_runtime"
    else:
        name, kind, engine = f".ptl {artifact.scheme}", OURS, "lite_interpreter"
    return Contestant(name, kind, artifact, tuple(engine_openers(artifact, engine)))
