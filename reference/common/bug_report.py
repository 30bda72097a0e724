"""The report of an unexpected error: one line for the user, and a file with the traceback.

The module imports only what is fast to import, since every command imports it first.
"""

from reference.common.plain_text import shorten

BUG = 70  # the exit status: EX_SOFTWARE of BSD's sysexits.h

_LONGEST = 200  # characters of the error's message that are shown


def report_bug(program: str, error: BaseException) -> str:
    """Write the traceback to a file, and return a line that says what happened and how to report it."""
    return f"{_in_words(error)}; this is a bug: please report it, {_what_to_report(program, error)}"


def _in_words(error: BaseException) -> str:
    name = type(error).__name__
    try:
        text = shorten(" ".join(str(error).split()), _LONGEST)
    except Exception:  # the error's own __str__ fails
        text = ""
    return f"unexpected {name}: {text}" if text else f"unexpected {name}"


def _what_to_report(program: str, error: BaseException) -> str:
    try:
        return f"with the file {_write_traceback(program, error)}, which has the traceback"
    except Exception as failure:  # a full disk, or too little memory even for this
        return f"with the command that you typed (no traceback: {type(failure).__name__})"


def _write_traceback(program: str, error: BaseException) -> str:
    """Write a new file in the temporary folder that only the user can read, and return its path."""
    import platform
    import shlex
    import sys
    import tempfile
    import traceback
    from importlib import metadata

    prefix = f"{program.rpartition('/')[2]}-bug-"
    with tempfile.NamedTemporaryFile(
        "w", prefix=prefix, suffix=".txt", delete=False, encoding="utf-8", errors="replace"
    ) as file:
        file.write(f"{shlex.join(sys.argv)}\n{platform.platform()}, Python {sys.version}\n")
        packages = sorted({f"{item.name} {item.version}" for item in metadata.distributions()})
        file.write(f"{', '.join(packages)}\n\n")
        file.writelines(traceback.format_exception(error))
    return file.name
