"""Measures what masks a size buys: those of every scheme, and of ``auto`` for several sizes."""

import gc
from collections.abc import Sequence
from pathlib import Path

from converters.conversion import write_artifact
from converters.coreml.options import CoreMLOptions
from converters.coreml.schemes import SCHEMES as COREML_SCHEMES
from converters.format import Options
from converters.options import format_of
from converters.size_goal import AUTO
from converters.torchscript.options import TorchScriptOptions
from reference.common.errors import MobileSAMError
from reference.common.output_files import replacing, require_writable
from reference.common.progress import progress
from validation.artifacts.artifact import Artifact, load_artifact
from validation.comparison.comparer import Comparer
from validation.comparison.results import Comparison
from validation.evidence.bench import Bench
from validation.evidence.numbers.agreement import lowest_sqnr
from validation.evidence.numbers.conversion import MEGABYTE, count_weights
from validation.evidence.numbers.trade_off_figures import (
    EARLIER_COMMIT,
    LARGEST_DRAWN,
    Measured,
    points,
    tables,
)
from validation.evidence.numbers.trade_off_plot import draw
from validation.evidence.page import CHECKOUT, Table
from validation.stages import IMAGE_ENCODER, MASK_DECODER

PICTURE = CHECKOUT / "docs" / "evidence" / "trade-off.svg"

# What is compared: every scheme for its lowest target, and then what depends on the target or the size.
DEFAULT_OPTIONS: tuple[Options, ...] = (
    *map(CoreMLOptions, COREML_SCHEMES),
    TorchScriptOptions("int8"),
)
OTHER_OPTIONS: tuple[Options, ...] = (
    CoreMLOptions("lut6", "iOS18"),
    CoreMLOptions("lut4", "iOS18"),
    *(
        CoreMLOptions(AUTO, "iOS18", max_size=size)
        for size in (8_000_000, 6_100_000, 5_000_000, 4_500_000)
    ),
    *(TorchScriptOptions(AUTO, max_size=size) for size in (8_000_000, 7_000_000)),
)
_CAPTION = (
    f"Demo weights. Artifacts of more than {LARGEST_DRAWN / MEGABYTE:g} MB are not drawn. The scale is logarithmic in "
    f"1 − IoU. Gray: commit {EARLIER_COMMIT}."
)


def measure_trade_off(bench: Bench) -> list[Table]:
    """Compare every scheme, and ``auto`` for several sizes. Draw the picture, and return the tables."""
    require_writable(PICTURE)
    return show(measure(bench), count_weights(bench.source))


def show(found: Sequence[Measured], weights: int, picture: Path = PICTURE) -> list[Table]:
    """Draw the picture of these artifacts, and return their tables."""
    with replacing(picture) as draft:
        draft.write_text(draw(list(points(found)), _CAPTION), encoding="utf-8")
    return tables(found, weights)


def measure(bench: Bench) -> list[Measured]:
    """Convert and compare what ``DEFAULT_OPTIONS`` and ``OTHER_OPTIONS`` name."""
    comparer = Comparer()
    every = (*DEFAULT_OPTIONS, *OTHER_OPTIONS)
    bar = progress(every, description="trade_off", unit="artifact")
    return [_measured(options, comparer.compare(_artifact(bench, options))) for options in bar]


def _artifact(bench: Bench, options: Options) -> Artifact:
    if options in DEFAULT_OPTIONS:
        return bench.artifact(format_of(options), options.scheme)
    # All artifacts of a scheme have the same name, whatever their size and target are.
    parent = bench.folder / f"{_target(options) or 'any'}-{options.max_size or 'any'}"
    folder = write_artifact(bench.source, options, parent)
    gc.collect()  # see Bench
    return load_artifact(folder)


def _target(options: Options) -> str | None:
    return options.target if isinstance(options, CoreMLOptions) else None


def _measured(options: Options, comparison: Comparison) -> Measured:
    artifact, summary = comparison.artifact, comparison.summary
    if summary is None:
        reasons = "; ".join([*comparison.unproven, *comparison.not_run_reasons])
        raise MobileSAMError(f"{artifact.name}: {comparison.verdict}: {reasons}")
    ran = [case for case in comparison.cases if case.agreement]
    return Measured(
        artifact.format,
        artifact.scheme,
        _target(options),
        options.max_size,
        artifact.size_bytes,
        summary.min_iou,
        summary.min_seen_iou,
        summary.mean_iou,
        lowest_sqnr(ran, IMAGE_ENCODER),
        lowest_sqnr(ran, MASK_DECODER),
        sum(len(case.agreement.mask_ious) for case in ran),
        comparison.engine,
        comparison.verdict,
    )
