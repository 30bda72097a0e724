"""Calls of coremltools without its progress bars and warnings, and with an error for a full disk."""

import contextlib
import functools
import tempfile
import warnings
from collections.abc import Iterator

from coremltools.converters.mil.mil import Program
from tqdm import tqdm

from reference.common.errors import OutputError


@contextlib.contextmanager
def coremltools_session() -> Iterator[None]:
    """Hide what coremltools prints in the block, and name its error for a full disk.

    Raises:
        OutputError: coremltools cannot write to the temporary folder.
    """
    with _quiet(), _disk_errors_named():
        yield


@contextlib.contextmanager
def validated_once() -> Iterator[None]:
    """Keep coremltools from validating the whole program after each of its more than 100 passes.

    This takes a third of a conversion. Callers validate the program themselves when it is finished.
    """
    validate = Program.validate
    Program.validate = lambda *_arguments, **_options: None  # coremltools has no switch for it
    try:
        yield
    finally:
        Program.validate = validate


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Hide coremltools' progress bars, and warnings that users cannot act on."""
    constructor = tqdm.__init__
    silent = functools.partialmethod(constructor, disable=True)
    tqdm.__init__ = silent  # tqdm has no switch for all bars
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        tqdm.__init__ = constructor


@contextlib.contextmanager
def _disk_errors_named() -> Iterator[None]:
    """Turn coremltools' unknown error for a full disk into an OutputError.

    coremltools first writes the weights to the temporary folder.
    """
    try:
        yield
    except RuntimeError as error:
        if "FileWriter" not in str(error):
            raise
        raise OutputError(
            f"coremltools cannot write to the temporary folder '{tempfile.gettempdir()}': make room there, or "
            "set TMPDIR to another folder"
        ) from error
