"""The start of every command: prepare signals and streams before anything heavy is imported.

The ``__main__`` module of a command imports only this module, and passes the name of the module that has the command.
Errors during the imports are therefore reported like all others.
"""

import os
import sys
from importlib import import_module
from typing import NoReturn

from reference.common import interrupts
from reference.common.bug_report import BUG, report_bug
from reference.common.plain_text import tell

_STREAMS = {"stdin": "r", "stdout": "w", "stderr": "w"}  # in the order of descriptors


def start(module: str, program: str) -> NoReturn:
    """Import ``module``, call its ``main()``, and exit. A failure is reported in one line on stderr.

    Args:
        module: the module to import. Its ``main`` exits with the status of the command.
        program: the name of the command, for error messages.
    """
    try:
        interrupts.watch(program)
        # If a stream is interrupted while its encoder is replaced, it can never write again.
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
    """Open standard streams that are closed, and make them accept every character.

    Printing then never raises, and no file that is opened later gets the number of a closed stream.
    """
    for descriptor, (name, mode) in enumerate(_STREAMS.items()):
        try:
            os.fstat(descriptor)
        except OSError:  # closed, as by >&-
            # os.open returns the lowest free number, which is this descriptor.
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(descriptor, mode, closefd=False))
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # some terminals cannot show every character
