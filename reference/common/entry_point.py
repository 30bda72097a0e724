"""Where every command begins: here nothing heavy has been imported yet, so that nothing can go wrong unseen.

A command's ``__main__`` imports this and nothing else, and names the module that has the command.
"""

import os
import sys
from importlib import import_module
from typing import NoReturn

from reference.common import interrupts
from reference.common.bug_report import BUG, report_bug
from reference.common.plain_text import tell

_STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}  # by descriptor


def start(module: str, program: str) -> NoReturn:
    """Import ``module``, call its ``main()``, and exit, with one line on stderr if that cannot be.

    Args:
        module: whose ``main`` exits with the command's status; see ``reference.common.command_line.run``.
        program: what the user calls the command.
    """
    try:
        interrupts.watch(program)
        # A stream that is interrupted while it gets another encoder can never write again.
        with interrupts.postponed():
            _complete_standard_streams()
        import_module(module).main()
        sys.exit(0)
    except SystemExit:
        raise
    except BaseException as error:
        interrupts.heed()
        if interrupts.was_requested() or isinstance(error, KeyboardInterrupt):
            message, status = interrupts.ending()
        else:
            message, status = report_bug(program, error), BUG
    tell(f"{program}: error: {message}")
    sys.exit(status)


def _complete_standard_streams() -> None:
    """Nothing that is printed may raise, or end up in a file that happens to have a closed stream's number."""
    for descriptor, (name, mode) in enumerate(_STREAMS.items()):
        try:
            os.fstat(descriptor)
        except OSError:  # closed, as by >&-
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number: this one
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # some terminals cannot show every character
