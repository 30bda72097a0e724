"""Measures how well the masks of artifacts agree with the reference masks."""

from validation.comparison.comparer import Comparer
from validation.comparison.results import CaseResult, Comparison
from validation.documents.verdicts import VERDICTS
from validation.evidence.bench import ARTIFACTS, Bench
from validation.evidence.page import MASK_TOOLS, MET, MISSED, NOT_AIMED, Table
from validation.stages import IMAGE_ENCODER, MASK_DECODER

LOWEST_IOU = {("torchscript", "none"): 0.999}  # the aim for every mask of an artifact


def measure_agreement(bench: Bench) -> list[Table]:
    """Compare every artifact. Return a table with a row per artifact, and one with the cases of int8."""
    comparer = Comparer()
    comparisons = {pair: comparer.compare(bench.artifact(*pair)) for pair in ARTIFACTS}
    header = (
        "<artifact",
        "<engine",
        "cases",
        "score Δ",
        "logit Δ",
        "encoder dB",
        "decoder dB",
        "same choice",
        "boundary",
        "IoU mean",
        "<gates",
        "IoU seen",
        "IoU min",
        "aim",
        "<verdict",
    )
    rows = [_artifact_row(comparison) for comparison in comparisons.values()]
    return [
        Table("agreement", MASK_TOOLS, header, rows),
        _case_table(comparisons["torchscript", "int8"]),
    ]


def _artifact_row(comparison: Comparison) -> tuple[str, ...]:
    artifact, summary = comparison.artifact, comparison.summary
    name = f"{artifact.format} {artifact.scheme}"
    if summary is None:
        verdict = VERDICTS[comparison.verdict]
        reasons = "; ".join([*comparison.unproven, *comparison.not_run_reasons])
        return (name, f"{verdict}: {reasons}", "0", *["–"] * 11, verdict)
    ran = [case for case in comparison.cases if case.agreement]
    aim = LOWEST_IOU.get((artifact.format, artifact.scheme))
    return (
        name,
        comparison.engine,
        str(len(ran)),
        f"{summary.max_score_difference:.1e}",
        f"{max(case.agreement.logits.largest for case in ran):.1e}",
        f"{lowest_sqnr(ran, IMAGE_ENCODER):.1f}",
        f"{lowest_sqnr(ran, MASK_DECODER):.1f}",
        "–" if summary.same_choice is None else f"{summary.same_choice:.2f}",
        f"{summary.mean_boundary_iou:.4f}",
        f"{summary.mean_iou:.4f}",
        comparison.verdict,
        f"{summary.min_seen_iou:.4f}",
        f"{summary.min_iou:.4f}",
        "–" if aim is None else f"≥ {aim}",
        NOT_AIMED if aim is None else MET if summary.min_iou >= aim else MISSED,
    )


def lowest_sqnr(cases: list[CaseResult], stage: str) -> float:
    """Return the lowest SQNR, in dB, of a stage that was fed the reference's input. All cases must have run."""
    losses = (loss for case in cases for loss in case.stages if loss.stage == stage)
    return min(loss.output.sqnr for loss in losses)


def _case_table(comparison: Comparison) -> Table:
    rows = [
        (
            case.photo,
            case.name,
            case.kind,
            *(f"{iou:.3f}" for iou in case.agreement.mask_ious),
            f"{case.agreement.shown_iou:.3f}",
            f"{case.agreement.score_difference:.4f}",
            f"{case.agreement.logits.largest:.3f}",
        )
        for case in comparison.cases
        if case.agreement
    ]
    masks = [f"mask {index}" for index in range(len(rows[0]) - 6)]
    header = ("<photo", "<case", "<kind", *masks, "shown", "score Δ", "logit Δ")
    return Table("int8-cases", MASK_TOOLS, header, rows, f"Engine: {comparison.engine}.")
