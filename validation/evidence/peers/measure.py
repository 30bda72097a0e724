"""Compares the masks of all contestants, then measures their times side by side.

It runs in the peers' environment.
"""

import gc
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from converters.conversion import Source, write_artifact
from converters.coreml.options import CoreMLOptions
from converters.coreml.schemes import SCHEMES as COREML_SCHEMES
from converters.samples import load_photo
from converters.torchscript.options import SCHEMES as TORCHSCRIPT_SCHEMES
from converters.torchscript.options import TorchScriptOptions
from reference.common.torch_errors import first_line
from validation.artifacts.artifact import Artifact, load_artifact
from validation.evidence.peers.agreement import PeerAgreement, agreement, masks_of
from validation.evidence.peers.contestants import EMULATED, Contestant
from validation.evidence.peers.installation import PeersError
from validation.latency.machine.host import Host, available_cores, machine
from validation.latency.measuring import Subject, measure_side_by_side
from validation.latency.results import Measurement, TargetResult
from validation.latency.running.plan import Plan
from validation.latency.running.session import Session
from validation.latency.running.worker import Setting

PHOTO = "astronaut"
EMULATION = "mil_runtime on this processor, not Core ML"

Report = Callable[[str], None]


@dataclass(frozen=True)
class Standing:
    """The result of comparing one contestant's masks.

    Attributes:
        contestant: the contestant.
        agreement: the agreement with the reference masks; None without masks.
        problem: the reason why there are no masks, or None.
    """

    contestant: Contestant
    agreement: PeerAgreement | None
    problem: str | None = None


def sample_photo(folder: Path) -> Path:
    """Write a real photo of 512×512 as PNG, because JPEG decoders differ."""
    path = folder / f"{PHOTO}.png"
    Image.fromarray(load_photo(PHOTO)).save(path)
    return path


def every_artifact(source: Source, folder: Path, report: Report) -> list[Artifact]:
    """Convert ``source`` to both formats with every scheme."""
    options = [TorchScriptOptions(scheme) for scheme in TORCHSCRIPT_SCHEMES]
    options += [CoreMLOptions(scheme) for scheme in COREML_SCHEMES]
    artifacts = []
    for each in options:
        artifacts.append(load_artifact(write_artifact(source, each, folder)))
        report(f"converted {artifacts[-1].name}")
        gc.collect()  # a converted program is large and refers to itself, so reference counts do not free it
    return artifacts


def load_artifacts(folders: Sequence[Path], source: Source) -> list[Artifact]:
    """Load artifacts from their folders, those of TorchScript first.

    Raises:
        ArtifactError: an artifact is damaged.
        PeersError: an artifact was converted from other weights, or with other slots.
    """
    artifacts = [load_artifact(folder) for folder in folders]
    for artifact in artifacts:
        if artifact.checkpoint.sha256 != source.checkpoint.sha256:
            raise PeersError(
                f"{artifact.folder}: was converted from the checkpoint '{artifact.checkpoint.name}' "
                f"({artifact.checkpoint.sha256[:12]}), expected '{source.checkpoint.name}' "
                f"({source.checkpoint.sha256[:12]}): name the weights with --checkpoint"
            )
        if artifact.prompt_slots != source.prompt_slots:
            raise PeersError(
                f"{artifact.folder}: has {artifact.prompt_slots} prompt slots, expected "
                f"{source.prompt_slots}: convert it again without --prompt-slots"
            )
    return sorted(artifacts, key=lambda artifact: artifact.format != "torchscript")


def compare_masks(everyone: Sequence[Contestant], image: Path, report: Report) -> list[Standing]:
    """Compare each contestant's masks with those of the first. A failure does not affect the others."""
    reference = masks_of(everyone[0], image)
    standings = []
    for contestant in everyone:
        try:
            agrees, problem = agreement(masks_of(contestant, image), reference), None
        except Exception as error:  # other projects' programs may raise any exception
            agrees, problem = None, first_line(error)
        standings.append(Standing(contestant, agrees, problem))
        report(f"{contestant.name}: {_words(standings[-1])}")
        gc.collect()
    return standings


def measure_times(
    everyone: Sequence[Contestant], plan: Plan, image: Path, threads: int
) -> TargetResult:
    """Measure encoding, decoding and end to end, in turns. Ratios are to the first contestant."""
    host = Host(available_cores())
    setting = Setting(threads)
    subjects = []
    for contestant in everyone:
        note = EMULATION if contestant.kind == EMULATED else None
        session = Session(contestant.artifact, contestant.openers, setting, image)
        item = Measurement(contestant.artifact, note, timeline=session.timeline)
        subjects.append(Subject(session, item))
    measure_side_by_side(subjects, plan, host, threads)
    measurements = [subject.measurement for subject in subjects]
    description = f"{threads} {'thread' if threads == 1 else 'threads'}; {machine()}"
    return TargetResult("peers", description, False, None, measurements, host.unwatched())


def _words(standing: Standing) -> str:
    if standing.agreement is None:
        return f"FAILED: {standing.problem}"
    same, shown = standing.agreement.same_frame, standing.agreement.shown
    return f"IoU {same:.4f} from the same frame, {shown:.4f} from the photo's file"
