"""A pytest plugin that makes coremltools' own tests predict with this project's runtime.

On other systems than macOS those tests only convert a model, and do not predict. With
``-p validation.evidence.conformance.plugin`` coremltools detects a macOS that supports iOS 18's opset, and
``mil_runtime`` in the place of Core ML. The plugin appends a JSON line per test to the file that
``--conformance-log`` names. It has the test's outcome, its number of predictions, and the operators of its
programs.
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
# Test modules check the system while they are imported, so these are replaced before.
coremltools._deps._IS_MACOS = True
coremltools.models.utils._is_macos = lambda: True
coremltools.models.utils._macos_version = lambda: MACOS


class Recorder:
    """Records the operators of the running test's programs, and the number of predictions."""

    def __init__(self) -> None:
        self.predictions = 0
        self.operators: Counter[tuple[str, str]] = Counter()

    def clear(self) -> None:
        """Remove the records of the last test."""
        self.predictions = 0
        self.operators.clear()

    def watch(self, predict):
        """Return ``predict`` with recording."""

        def recorded(program: Program, *arguments, **options):
            self.predictions += 1
            opset = program.function.opset.name
            self.operators.update((opset, kind) for kind in kinds_in(program.function.block))
            return predict(program, *arguments, **options)

        return recorded


def kinds_in(block: Block) -> set[str]:
    """Return the operators of a block and of its nested blocks."""
    kinds = {operation.kind for operation in block.operations}
    return kinds.union(*(kinds_in(nested) for item in block.operations for nested in item.blocks))


_recorder = Recorder()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--conformance-log", type=Path, help="where to append results, as JSON lines")
    parser.addoption(
        "--conformance-sample", type=float, default=1.0, help="share of the tests, from 0 to 1"
    )
    parser.addoption(
        "--conformance-share", default="0/1", help="the part of the tests to run, as INDEX/COUNT"
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep the requested tests. They are chosen by name, so that every process chooses alike."""
    limit = config.getoption("--conformance-sample") * 2**32
    share, shares = map(int, config.getoption("--conformance-share").split("/"))
    chosen, others = [], []
    for item in items:
        number = zlib.crc32(item.nodeid.encode())
        (chosen if number < limit and number % shares == share else others).append(item)
    config.hook.pytest_deselected(items=others)
    items[:] = chosen


def pytest_collection_finish() -> None:
    """Exclude the ten thousand collected tests from garbage collection, which then takes less time."""
    gc.collect()
    gc.freeze()


def pytest_configure(config: pytest.Config) -> None:
    logging.getLogger("coremltools").setLevel(logging.NOTSET)  # tests read its messages
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
