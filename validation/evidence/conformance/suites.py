"""Which of coremltools' tests are run, and how."""

import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import coremltools

COREMLTOOLS = Path(coremltools.__file__).parent


@dataclass(frozen=True)
class Suite:
    """Tests in the coremltools wheel.

    Attributes:
        name: short, for options and file names.
        title: for tables.
        paths: files and folders below the package.
    """

    name: str
    title: str
    paths: tuple[str, ...]


SUITES = {
    suite.name: suite
    for suite in (
        Suite("operators", "operators", ("converters/mil/mil/ops/tests",)),
        Suite("torch", "torch front end", ("converters/mil/frontend/torch/test",)),
        Suite(
            "optimize",
            "compression",
            (
                "test/optimize/coreml",
                "optimize/coreml/experimental/test_post_training_quantization.py",
                "test/ml_program/test_utils.py",
            ),
        ),
        Suite(
            "tools",
            "Inspector, Comparator, Validator, Benchmarker",
            tuple(
                f"test/ml_program/experimental/{name}.py"
                for name in ("test_async_wrapper", "test_debugging_utils", "test_perf_utils")
            ),
        ),
    )
}


def run_suite(suite: Suite, log: Path, workers: int, sample: float = 1.0) -> None:
    """Run a suite and leave a line per test in ``log``, which is written anew.

    Args:
        suite: what to run.
        log: see ``plugin``.
        workers: processes, each with one thread: the tests are many and small.
        sample: which part of the tests, 0…1; always the same ones for a part.
    """
    log.unlink(missing_ok=True)
    paths = [str(COREMLTOOLS / path) for path in suite.paths]
    _run_pytest(paths, log, workers, f"--conformance-sample={sample}")


def run_tests(tests: Sequence[str], log: Path, workers: int) -> None:
    """Run single tests, by their ids in a log, and add what they did to ``log``."""
    with tempfile.TemporaryDirectory() as folder:
        # As a file of arguments: they are too long for a command line.
        arguments = Path(folder) / "tests.txt"
        arguments.write_text("\n".join(str(COREMLTOOLS / test) for test in tests))
        _run_pytest([f"@{arguments}"], log, workers)


def _run_pytest(targets: Sequence[str], log: Path, workers: int, *options: str) -> None:
    """Each worker takes its share of the tests. Their order differs from process to process, since
    coremltools makes some of them from sets: that is why it is not left to pytest-xdist."""
    command = [sys.executable, "-m", "pytest", *targets, "-q", "--tb=line"]
    command += ["-c", os.devnull, f"--rootdir={COREMLTOOLS}", "-p", "no:cacheprovider"]
    command += ["-W", "ignore", "-p", "validation.evidence.conformance.plugin", *options]
    command += [f"--conformance-log={log}"]
    # Tests of neural networks, the format before ML Programs, are left out.
    environment = os.environ | {"PYMIL_TEST_TARGETS": "mlprogram", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [*command, f"--conformance-share={worker}/{workers}"], env=environment, cwd=log.parent
        )
        for worker in range(workers)
    ]
    for process in processes:
        process.wait()  # with status 1 if a test failed: what counts is in the log
