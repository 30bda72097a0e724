"""How well the masks of artefacts agree with the reference's."""

from converters.coreml_schemes import SCHEMES as COREML_SCHEMES
from converters.torchscript_quantization import SCHEMES as TORCHSCRIPT_SCHEMES
from validation.compare import compare_artifact
from validation.numbers.bench import Bench
from validation.numbers.page import MET, MISSED, NOT_AIMED, Table
from validation.results import Comparison

LOWEST_IOU = {("torchscript", "none"): 0.999}  # of every mask
TOOLS = ("torch", "timm", "numpy", "pillow")


def measure_agreement(bench: Bench) -> list[Table]:
    """One row per artefact, and int8's cases one by one."""
    pairs = [("torchscript", scheme) for scheme in TORCHSCRIPT_SCHEMES]
    pairs += [("coreml", scheme) for scheme in COREML_SCHEMES]
    comparisons = {pair: compare_artifact(bench.artifact(*pair)) for pair in pairs}
    header = (
        "<artefact",
        "<engine",
        "cases",
        "score Δ",
        "logit Δ",
        "IoU mean",
        "IoU min",
        "aim",
        "<verdict",
    )
    rows = [_artifact_row(comparison) for comparison in comparisons.values()]
    return [
        Table("agreement", TOOLS, header, rows),
        _case_table(comparisons["torchscript", "int8"]),
    ]


def _artifact_row(comparison: Comparison) -> tuple[str, ...]:
    artifact = comparison.artifact
    name = f"{artifact.format} {artifact.scheme}"
    ran = [case.agreement for case in comparison.cases if case.agreement]
    if not ran:
        reasons = "; ".join(comparison.not_run_reasons)
        return (name, f"NOT RUN: {reasons}", "0", *["–"] * 5, "NOT RUN")
    lowest = min(agreement.min_iou for agreement in ran)
    aim = LOWEST_IOU.get((artifact.format, artifact.scheme))
    return (
        name,
        comparison.engine,
        str(len(ran)),
        f"{max(agreement.score_difference for agreement in ran):.1e}",
        f"{max(agreement.logit_difference for agreement in ran):.1e}",
        f"{comparison.mean_iou:.4f}",
        f"{lowest:.4f}",
        "–" if aim is None else f"≥ {aim}",
        NOT_AIMED if aim is None else MET if lowest >= aim else MISSED,
    )


def _case_table(comparison: Comparison) -> Table:
    rows = [
        (
            case.photo,
            case.name,
            case.kind,
            *(f"{iou:.3f}" for iou in case.agreement.mask_ious),
            f"{case.agreement.best_iou:.3f}",
            f"{case.agreement.score_difference:.4f}",
            f"{case.agreement.logit_difference:.3f}",
        )
        for case in comparison.cases
        if case.agreement
    ]
    masks = [f"mask {index}" for index in range(len(rows[0]) - 6)]
    header = ("<photo", "<case", "<kind", *masks, "shown", "score Δ", "logit Δ")
    return Table("int8-cases", TOOLS, header, rows, f"Engine: {comparison.engine}.")
