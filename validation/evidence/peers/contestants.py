"""What is run side by side: the reference, the peers with the same weights, and artifacts of ours."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from converters.conversion import Source
from reference.common.folders import size_of
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
    """Something that gives masks for the same photo and prompts as all others.

    Attributes:
        name: in the table.
        kind: BASELINE, PEER, OURS, or EMULATED: ours, but run by something else than on a device.
        artifact: a peer's has the peer's files for components.
        openers: what opens it, as ``engine_openers`` has it.
    """

    name: str
    kind: str
    artifact: Artifact
    openers: tuple[Opener, ...]

    @property
    def size_bytes(self) -> int:
        """Of the files of both components, each counted once."""
        return sum(map(size_of, set(self.artifact.components.values())))


def contestants(
    source: Source, artifacts: Sequence[Artifact], folder: Path
) -> Iterator[Contestant]:
    """The baseline, which is first, the peers, and the artifacts.

    Args:
        source: the weights of all.
        artifacts: ours, converted from ``source``; one at least.
        folder: for the peers' files.
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
    # Model, slots and conventions are the same; files and name are the peer's.
    artifact = replace(like, folder=Path(name), format=kind, components=components)
    return Contestant(name, kind, artifact, (opener,))


def _own(artifact: Artifact) -> Contestant:
    if artifact.format == "coreml":
        name, kind, engine = f"Core ML {artifact.scheme}, mil_runtime", EMULATED, "mil_runtime"
    else:
        name, kind, engine = f".ptl {artifact.scheme}", OURS, "lite_interpreter"
    return Contestant(name, kind, artifact, tuple(engine_openers(artifact, engine)))
