"""A pytest plugin that makes coremltools' own tests predict, in this project's runtime.

Off the Mac those tests end once a model is converted: they only predict where they find macOS. With
``-p validation.evidence.conformance.plugin`` they find a macOS that has all of iOS 18's opset, and Core ML in
the shape of ``mil_runtime``. Each test's outcome, how often it predicted, and what its programs
were made of, is appended to the file that ``--conformance-log`` names, a JSON object per line.
"""

import gc
import json
import logging
import zlib
from collections import Counter
from pathlib import Path

import coremltools._deps
import coremltools.models.utils
import pytest

from validation import mil_runtime
from validation.mil_runtime.model.program_structure import Block
from validation.mil_runtime.program import Program

MACOS = (15, 0)
# A test module asks while it is imported, so the answer must be there before any is.
coremltools._deps._IS_MACOS = True
coremltools.models.utils._is_macos = lambda: True
coremltools.models.utils._macos_version = lambda: MACOS


class Recorder:
    """What the programs of the running test were, and how often they were run."""

    def __init__(self) -> None:
        self.predictions = 0
        self.operators: Counter[tuple[str, str]] = Counter()

    def clear(self) -> None:
        """Forget the last test."""
        self.predictions = 0
        self.operators.clear()

    def watch(self, predict):
        """``Program.predict``, recorded."""

        def recorded(program: Program, *arguments, **options):
            self.predictions += 1
            opset = program.function.opset.name
            self.operators.update((opset, kind) for kind in kinds_in(program.function.block))
            return predict(program, *arguments, **options)

        return recorded


def kinds_in(block: Block) -> set[str]:
    """Operators of a block and those nested in it."""
    kinds = {operation.kind for operation in block.operations}
    return kinds.union(*(kinds_in(nested) for item in block.operations for nested in item.blocks))


_recorder = Recorder()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance-log", type=Path, help="where to append results, as JSON lines")
    parser.addoption("--conformance-sample", type=float, default=1.0, help="part to run, 0 to 1")
    parser.addoption("--conformance-share", default="0/1", help="which of how many shares to run")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what is asked for, chosen by name, so that it is the same in every process."""
    limit = config.getoption("--conformance-sample") * 2**32
    share, shares = map(int, config.getoption("--conformance-share").split("/"))
    chosen, others = [], []
    for item in items:
        number = zlib.crc32(item.nodeid.encode())
        (chosen if number < limit and number % shares == share else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def pytest_collection_finish() -> None:
    """Ten thousand collected tests live to the end: without them the garbage collector is faster."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    logging.getLogger("coremltools").setLevel(logging.NOTSET)  # tests look at what it says
    mil_runtime.install()
    Program.predict = _recorder.watch(Program.predict)


def pytest_unconfigure(config: pytest.Config) -> None:
    mil_runtime.uninstall()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo):
    report = yield
    if report.when == "setup":
        _recorder.clear()
    if report.when == "call" or report.outcome != "passed" and report.when == "setup":
        _log(item, report)
    return report


def _log(item: pytest.Item, report: pytest.TestReport) -> None:
    path = item.config.getoption("--conformance-log")
    if path is None:
        return
    reason = "" if report.passed else str(report.longrepr).strip().splitlines()[-1]
    line = {
        "test": item.nodeid,
        "outcome": report.outcome,
        "predictions": _recorder.predictions,
        "operators": sorted(f"{opset}:{kind}" for opset, kind in _recorder.operators),
        "reason": reason[:500],
        "seconds": round(report.duration, 3),
    }
    with path.open("a") as file:
        file.write(json.dumps(line) + "\n")
