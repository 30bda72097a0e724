"""TOML files, a user's or the project's own."""

import tomllib
from pathlib import Path

from reference.errors import MobileSAMError
from reference.input_files import require_regular_file


def read_toml(path: Path, error_class: type[MobileSAMError]) -> dict:
    """The tables of a file; ``error_class`` if it cannot be read or is not valid."""
    try:
        require_regular_file(path, error_class, "expected a TOML file")
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise error_class(f"{path}: cannot be read ({error.strerror or error})") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise error_class(f"{path}: is not valid TOML ({error})") from None
