"""Writes the generated parts of docs/evidence/peers.md: the table, the sentences and the plot."""

from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from reference.common.errors import OutputError
from reference.common.output_files import replacing
from validation.evidence.page import CHECKOUT, Table, write_lines, write_table
from validation.evidence.peers.contestants import BASELINE, OURS, PEER
from validation.evidence.peers.measure import Standing
from validation.evidence.peers.plot import Mark, Row, draw
from validation.latency.results import INVALID, MEASURED, Measurement, TargetResult
from validation.latency.running.plan import STAGES
from validation.latency.statistics import Ratio

PAGE = CHECKOUT / "docs" / "evidence" / "peers.md"
PLOT = CHECKOUT / "docs" / "evidence" / "peers.svg"
COMMAND = "python -m validation.evidence.peers --write"
TOOLS = ("torch", "ultralytics", "onnxruntime", "coremltools")
_HEADINGS = {"image_encoder": "encode", "mask_decoder": "decode", "end_to_end": "end to end"}
_PICTURE = "![The time of each program, relative to PyTorch eager](peers.svg)"
_NOTHING = "–"


def table_of(standings: Sequence[Standing], result: TargetResult | None) -> Table:
    """Return a table with a row per contestant. It has no times if there is no ``result``."""
    header = ["<"]
    for heading in _HEADINGS.values() if result else ():
        header += [f"{heading} ms", "× eager"]
    header += ["memory MB"] if result else []
    header += ["files MB", "IoU, same frame", "IoU, from the file"]
    rows = [_row(standing, result, index) for index, standing in enumerate(standings)]
    note = "IoU is the lowest IoU with the reference masks."
    if result is not None:
        note += (
            f" With {result.description.partition(';')[0]}. × eager is the median ratio to the "
            "neighboring turn of PyTorch eager, with its 95 % interval. Memory is the peak above the "
            "imported libraries. Core ML rows are emulated on this processor by mil_runtime, so "
            "their times say nothing about Core ML."
        )
    return Table("peers", TOOLS, header, rows, note)


def _row(standing: Standing, result: TargetResult | None, index: int) -> tuple[str, ...]:
    cells = [standing.contestant.name]
    if result is not None:
        item = result.measurements[index]
        for stage in STAGES:
            cells += _times(result, item, stage)
        cells.append(
            _NOTHING if item.memory is None else _megabytes(item.memory[1] - item.memory[0])
        )
    cells.append(_megabytes(standing.contestant.size_bytes))
    if standing.agreement is None:
        return *cells, f"FAILED: {_as_cell(standing.problem)}", _NOTHING
    figures = standing.agreement.same_frame, standing.agreement.shown
    return *cells, *(f"{figure:.4f}" for figure in figures)


def _times(result: TargetResult, item: Measurement, stage: str) -> tuple[str, str]:
    summary = item.stages[stage].summary if stage in item.stages else None
    if summary is None:
        return (item.status.upper() if item.status != MEASURED else _NOTHING), _NOTHING
    ratio = result.ratio(item, stage)
    return f"{1000 * summary.median:.1f}", _NOTHING if ratio is None else _interval(ratio)


def _interval(ratio: Ratio) -> str:
    return f"{ratio.median:.2f} ({ratio.interval.low:.2f} – {ratio.interval.high:.2f})"


def _megabytes(count: int) -> str:
    return f"{count / 1e6:.1f}"


def _as_cell(text: str | None) -> str:
    return (text or "").replace("|", "/").replace("\n", " ")


# The sentences


def sentences(standings: Sequence[Standing], result: TargetResult) -> list[str]:
    """Return a sentence per stage: which peers are faster than our fastest artifact, and which are not.

    Emulated artifacts are left out, because their times say nothing about a device. Two programs count as
    different only if the intervals of their ratios to PyTorch eager do not overlap.
    """
    return [
        f"{_HEADINGS[stage].capitalize()}: {_sentence(_ratios(standings, result, stage))}"
        for stage in STAGES
    ]


def _ratios(
    standings: Sequence[Standing], result: TargetResult, stage: str
) -> dict[str, list[tuple[str, Ratio]]]:
    """Return kind → (name, ratio to eager), the fastest first."""
    found: dict[str, list[tuple[str, Ratio]]] = {PEER: [], OURS: []}
    for standing, item in zip(standings, result.measurements, strict=True):
        ratio, kind = result.ratio(item, stage), standing.contestant.kind
        if kind in found and ratio is not None:
            found[kind].append((standing.contestant.name, ratio))
    return {kind: sorted(pairs, key=lambda pair: pair[1].median) for kind, pairs in found.items()}


def _sentence(ratios: dict[str, list[tuple[str, Ratio]]]) -> str:
    if not ratios[OURS] or not ratios[PEER]:
        return "NOT MEASURED."
    name, best = ratios[OURS][0]
    faster = [pair for pair in ratios[PEER] if pair[1].interval.high < best.interval.low]
    level = [
        pair
        for pair in ratios[PEER]
        if pair not in faster and pair[1].interval.low <= best.interval.high
    ]
    ours = f"our fastest artifact, {name}, takes {best.median:.2f} of PyTorch eager's time"
    parts = [ours]
    if faster:
        verb = "is" if len(faster) == 1 else "are"
        parts.append(f"{_listed(faster)} {verb} **faster than every artifact of ours**")
    if level:
        verb = "is" if len(level) == 1 else "are"
        parts.append(f"{_listed(level)} {verb} not measurably different")
    if not faster:
        parts.append("No peer is measurably faster")
    return f"{'. '.join(parts)}."


def _listed(pairs: Sequence[tuple[str, Ratio]]) -> str:
    return "; ".join(f"{name} ({ratio.median:.2f})" for name, ratio in pairs)


# The files


def write_page(
    standings: Sequence[Standing], result: TargetResult, page: Path = PAGE, plot: Path = PLOT
) -> None:
    """Write the table, the sentences and the plot of a run in which every stage has figures.

    Raises:
        OutputError: a contestant's times are INVALID, or the page lacks its markers.
    """
    unfit = [
        f"{standing.contestant.name} ({'; '.join(item.reasons)})"
        for standing, item in zip(standings, result.measurements, strict=True)
        if item.status == INVALID
    ]
    if unfit:
        raise OutputError(
            f"{page}: not written, because times are INVALID: {unfit[0]}"
            f"{f' and {len(unfit) - 1} more' if len(unfit) > 1 else ''}: measure again on an idle "
            "machine"
        )
    write_table(table_of(standings, result), COMMAND, page)
    lines = [f"- {sentence}" for sentence in sentences(standings, result)]
    write_lines([*lines, "", _PICTURE], "in-words", page)
    with replacing(plot) as draft:
        draft.write_text(draw_ratios(standings, result), encoding="utf-8")


def draw_ratios(standings: Sequence[Standing], result: TargetResult) -> str:
    """Draw an SVG of every contestant's ratios to PyTorch eager."""
    rows = [
        Row(
            standing.contestant.name,
            standing.contestant.kind,
            [_mark(standing, result.ratio(item, stage)) for stage in STAGES],
        )
        for standing, item in zip(standings, result.measurements, strict=True)
    ]
    tools = ", ".join(f"{tool} {version(tool).split('+')[0]}" for tool in TOOLS)
    caption = f"{result.description}; {tools}"
    return draw(rows, list(_HEADINGS.values()), caption)


def _mark(standing: Standing, ratio: Ratio | None) -> Mark | None:
    if standing.contestant.kind == BASELINE:
        return Mark(1.0, 1.0, 1.0)
    return None if ratio is None else Mark(ratio.median, ratio.interval.low, ratio.interval.high)
