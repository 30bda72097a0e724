"""Reads TOML files of limits: those of users, and the defaults of this project."""

import tomllib
from pathlib import Path

from reference.common.errors import MobileSAMError
from reference.common.input_files import require_regular_file

MOST_BYTES = 1 << 16  # size of a file; the largest of the project's own has a tenth of it
# Length of a line. tomllib's time grows with the square of the length of a dotted key, which fits on one line.
MOST_CHARACTERS = 1000


def read_toml(path: Path, error_class: type[MobileSAMError]) -> dict:
    """The tables of a file; raises ``error_class`` if it cannot be read, is too large or is not valid TOML."""
    try:
        require_regular_file(path, error_class, "expected a TOML file")
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise error_class(
            f"{path}: cannot be read ({error.strerror or error}); expected a TOML file"
        ) from None
    except ValueError:
        raise error_class(f"{path}: is not a path; name a file") from None
    if len(data) > MOST_BYTES or max(map(len, data.split(b"\n"))) > MOST_CHARACTERS:
        raise error_class(
            f"{path}: has more than {MOST_BYTES >> 10} KiB, or a line of more than {MOST_CHARACTERS} "
            "characters: expected a few limits"
        )
    try:
        return tomllib.loads(data.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # ValueError also for an integer of 5,000 digits
        raise error_class(
            f"{path}: is not valid TOML ({error}); expected lines of the form name = number"
        ) from None
