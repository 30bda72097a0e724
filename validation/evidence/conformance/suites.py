"""Chooses and runs coremltools' tests."""

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
class ConformanceSuite:
    """Tests in the coremltools wheel.

    Attributes:
        name: the short name for options and file names.
        title: the name in tables.
        paths: the suite's files and folders below the package.
    """

    name: str
    title: str
    paths: tuple[str, ...]


SUITES = {
    suite.name: suite
    for suite in (
        ConformanceSuite("operators", "operators", ("converters/mil/mil/ops/tests",)),
        ConformanceSuite("torch", "torch front end", ("converters/mil/frontend/torch/test",)),
        ConformanceSuite(
            "optimize",
            "compression",
            (
                "test/optimize/coreml",
                "optimize/coreml/experimental/test_post_training_quantization.py",
                "test/ml_program/test_utils.py",
            ),
        ),
        ConformanceSuite(
            "tools",
            "Inspector, Comparator, Validator, Benchmarker",
            tuple(
                f"test/ml_program/experimental/{name}.py"
                for name in ("test_async_wrapper", "test_debugging_utils", "test_perf_utils")
            ),
        ),
    )
}


def run_suite(suite: ConformanceSuite, log: Path, workers: int, sample: float = 1.0) -> None:
    """Run a suite and write a line per test into ``log``, which is replaced.

    Args:
        suite: the suite to run.
        log: the file for the plugin's JSON lines.
        workers: the number of processes. Each has one thread, because the tests are many and small.
        sample: the share of the tests to run, 0…1. The same share always has the same tests.
    """
    log.unlink(missing_ok=True)
    paths = [str(COREMLTOOLS / path) for path in suite.paths]
    _run_pytest(paths, log, workers, f"--conformance-sample={sample}")


def run_tests(tests: Sequence[str], log: Path, workers: int) -> None:
    """Run single tests, by their ids, and append their lines to ``log``."""
    with tempfile.TemporaryDirectory() as folder:
        # The ids are too long for a command line, so pytest reads them from a file.
        arguments = Path(folder) / "tests.txt"
        arguments.write_text("\n".join(str(COREMLTOOLS / test) for test in tests))
        _run_pytest([f"@{arguments}"], log, workers)


def _run_pytest(targets: Sequence[str], log: Path, workers: int, *options: str) -> None:
    """Run pytest in several processes, each of which takes its share of the tests.

    pytest-xdist cannot be used. It requires the same order of tests in every process, but coremltools
    makes some tests from sets.
    """
    command = [sys.executable, "-m", "pytest", *targets, "-q", "--tb=line"]
    command += ["-c", os.devnull, f"--rootdir={COREMLTOOLS}", "-p", "no:cacheprovider"]
    command += ["-W", "ignore", "-p", "validation.evidence.conformance.plugin", *options]
    command += [f"--conformance-log={log}"]
    # "mlprogram" leaves out the tests of neural networks, the format before ML Programs.
    environment = os.environ | {"PYMIL_TEST_TARGETS": "mlprogram", "OMP_NUM_THREADS": "1"}
    processes = [
        subprocess.Popen(
            [*command, f"--conformance-share={worker}/{workers}"], env=environment, cwd=log.parent
        )
        for worker in range(workers)
    ]
    for process in processes:
        process.wait()  # the status is ignored, because the log has the results
