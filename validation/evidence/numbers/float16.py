"""Measures whether weights that float16 cannot hold unscaled still draw the reference masks."""

from collections.abc import Callable, Iterator
from pathlib import Path

import torch

from converters.conversion import Source, load_source, write_artifact
from converters.coreml.options import CoreMLOptions
from reference.common.progress import progress
from reference.modeling.sam import Sam
from validation.artifacts.artifact import Artifact, load_artifact, read_manifest
from validation.comparison.conclusion import conclude
from validation.comparison.pipelines import compare_pipelines
from validation.comparison.results import Comparison
from validation.engines import engine_for
from validation.engines.artifact_model import ArtifactModel
from validation.evidence.bench import Bench
from validation.evidence.numbers.agreement import lowest_sqnr
from validation.evidence.numbers.wide_streams import with_one_wide_channel, with_wide_streams
from validation.evidence.page import MASK_TOOLS, Table
from validation.gates import gates_for, read_gates
from validation.questions.goldens import golden_questions
from validation.questions.pipeline import CachedPipeline, PhotoPipeline
from validation.stages import IMAGE_ENCODER

SCHEMES = ("fp16", "int8")
SIZES = (1e5,)  # tests cover smaller sizes on a small model
MAKERS: dict[str, Callable[[Sam, float], Sam]] = {
    "one channel, larger by {:g}": with_one_wide_channel,
    "all channels, {:g} times as large": with_wide_streams,
}


def measure_float16(bench: Bench) -> list[Table]:
    """Compare Core ML packages of the bench's weights in mil_runtime.

    The weights are used unchanged, and with residual streams of every size.
    """
    artifacts = [(name, source, scheme) for name, source in _sources(bench) for scheme in SCHEMES]
    bar = progress(artifacts, description="float16", unit="artifact")
    rows = [_row(bench, *artifact) for artifact in bar]
    header = (
        "<residual streams",
        "<scheme",
        "scaled",
        "float32",
        "headroom",
        "encoder dB",
        "IoU mean",
        "IoU min",
        "<gates",
    )
    return [Table("float16", (*MASK_TOOLS, "coremltools"), header, rows)]


def _sources(bench: Bench) -> Iterator[tuple[str, Path | None]]:
    """Yield (weights in words, their file). The bench's own weights have no file."""
    yield "as they are", None
    for words, make in MAKERS.items():
        for size in SIZES:
            path = bench.folder / f"{make.__name__}_{size:g}.pt"
            torch.save(make(bench.source.sam, size).state_dict(), path)
            yield words.format(size), path


def _row(bench: Bench, name: str, checkpoint: Path | None, scheme: str) -> tuple[str, ...]:
    source = _source(bench, checkpoint)
    folder = write_artifact(source, CoreMLOptions(scheme), bench.folder / "float16", force=True)
    artifact = load_artifact(folder)
    comparison = _compare(artifact, source.sam)
    fit = read_manifest(artifact)["components"]["image_encoder"]["float16"]
    figures = (str(len(fit["exponents"])), str(len(fit["float32"])), f"{fit['headroom']:.1f}")
    return (name, scheme, *figures, *_agreement(comparison))


def _source(bench: Bench, checkpoint: Path | None) -> Source:
    if checkpoint is None:
        return bench.source
    return load_source(checkpoint, bench.source.sam.variant.name)


def _compare(artifact: Artifact, sam: Sam) -> Comparison:
    """Compare an artifact on its goldens only. With more photos all rows would take another hour."""
    gates = gates_for(artifact, read_gates())
    engine = engine_for(artifact, "mil_runtime")
    candidate = PhotoPipeline(ArtifactModel(engine, artifact), artifact.mask_threshold)
    reference, questions = CachedPipeline(sam), golden_questions(artifact)
    cases = compare_pipelines(artifact, questions, reference, candidate, gates)
    return conclude(artifact, engine.name, gates, cases)


def _agreement(comparison: Comparison) -> tuple[str, ...]:
    summary = comparison.summary
    if summary is None:
        return ("–", "–", "–", comparison.verdict)
    ran = [case for case in comparison.cases if case.agreement]
    return (
        f"{lowest_sqnr(ran, IMAGE_ENCODER):.1f}",
        f"{summary.mean_iou:.4f}",
        f"{summary.min_iou:.4f}",
        comparison.verdict,
    )
