"""The folder of a report: which files it has, and how a later run knows that it may replace it."""

import contextlib
import hashlib
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from converters.output_folder import reserved, staged
from reference.common.artifact_marker import read_marker
from reference.common.folders import entries_below
from validation.documents.json_file import write_json

PAGE_FILE = "report.html"
RESULTS_FILE = "results.json"
LATENCY_PAGE_FILE = "latency.html"
LATENCY_FILE = "latency.json"

# Lists the other files with their SHA-256. A file that was edited or added since is not ours to delete.
FILES_FILE = "files.json"
FILES_SCHEMA = "mobile-sam-export/report/1"

OPTION = "--report"


@dataclass(frozen=True)
class ReportKind:
    """The files that a command's report consists of.

    Attributes:
        command: the command that writes it.
        file_sets: the sets of names, without FILES_FILE, that a whole report may have.
    """

    command: str
    file_sets: tuple[frozenset[str], ...]


_LATENCY_FILES = frozenset((LATENCY_PAGE_FILE, LATENCY_FILE))
_COMPARISON_FILES = frozenset((PAGE_FILE, RESULTS_FILE))

COMPARISON = ReportKind("validate compare", (_COMPARISON_FILES, _COMPARISON_FILES | _LATENCY_FILES))
LATENCY = ReportKind("validate latency", (_LATENCY_FILES,))


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def reserved_report(folder: Path, kind: ReportKind) -> AbstractContextManager[None]:
    """Keep other processes from writing ``folder``, which may be a report of the same kind, until the block ends.

    Args:
        folder: the report's folder.
        kind: the kind of report.

    Raises:
        OutputError: ``folder`` exists and may not be replaced, another process is writing it, or it cannot be
            written.
    """
    return reserved(folder, True, OPTION, partial(_obstacle, kind))


@contextlib.contextmanager
def staged_report(folder: Path, kind: ReportKind) -> Iterator[Path]:
    """Yield a hidden folder to fill, which becomes ``folder`` in one step when the block ends without an error.

    An earlier report of the same kind stays as it was until then, and after any error.

    Raises:
        OutputError: for the reasons that ``reserved_report`` lists.
    """
    with staged(folder, True, OPTION, partial(_obstacle, kind)) as draft:
        yield draft
        hashes = {path.name: _sha256(path) for path in sorted(draft.iterdir())}
        write_json(draft / FILES_FILE, {"schema": FILES_SCHEMA, "files": hashes})


def _obstacle(kind: ReportKind, folder: Path) -> str | None:
    """Return why a report of ``kind`` may not replace an existing folder; None if it may."""
    reason = _difference(kind, folder)
    return None if reason is None else f"{reason}, so it is not replaced: choose another {OPTION}"


def _difference(kind: ReportKind, folder: Path) -> str | None:
    """Return how ``folder`` differs from a complete, unaltered report of ``kind``; None if it does not."""
    if folder.is_symlink() or not folder.is_dir():
        return "is not a folder"
    path = folder / FILES_FILE
    marker = {} if path.is_symlink() else read_marker(path)
    hashes = marker.get("files")
    if marker.get("schema") != FILES_SCHEMA or not isinstance(hashes, dict):
        return f"is not a report of {kind.command}"
    if frozenset(hashes) not in kind.file_sets:
        return f"is not a report of {kind.command}"
    if folder.resolve() == Path.cwd():
        return "is the working directory"
    try:
        return _difference_of_files(hashes, folder)
    except OSError as error:
        return f"cannot be read ({error.strerror or error})"


def _difference_of_files(hashes: dict[str, object], folder: Path) -> str | None:
    names = {path.relative_to(folder).as_posix() for path in entries_below(folder)}
    if foreign := sorted(names - {*hashes, FILES_FILE}):
        return f"holds '{foreign[0]}', which is not part of the report"
    if missing := sorted(hashes.keys() - names):
        return f"lacks its '{missing[0]}'"
    for name, sha256 in sorted(hashes.items()):
        path = folder / name
        if path.is_symlink() or not path.is_file() or _sha256(path) != sha256:
            return f"its '{name}' was changed after the report was written"
    return None
