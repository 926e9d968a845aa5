"""Running a command: an error becomes a line or two on stderr, with the way out, and an exit code.

Exit codes: 0 all done; 1 something failed; 2 wrong usage; 3 a confirmation is needed; 4 missing or wrong
credentials; 5 a conflict with another run or a deployment; 10 a check found something; 11 a check could not decide
yet; 129, 130, 143 ended by SIGHUP, Ctrl-C, SIGTERM; 141 the reader of stdout has gone.
"""

import errno
import os
import signal
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from penstock.cli.app import tree
from penstock.cli.support.errors import CLOSED_PIPE
from penstock.cli.support.explanation import explain, redact
from penstock.cli.support.signals import drop_output_to_a_closed_terminal, orderly_end

_DEBUG = "--debug"


def run(arguments: list[str]) -> NoReturn:
    """Run the command and exit; `--debug` may stand anywhere among the arguments."""
    if sys.stdout is None:  # `>&-`: nobody wants the data.
        sys.stdout = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 (it stays open)
    if isinstance(sys.stdout, TextIOWrapper):
        # A sender's text may have characters that the output's encoding lacks. They must not end the command.
        sys.stdout.reconfigure(errors="backslashreplace")
    debug = _DEBUG in arguments
    words = [word for word in arguments if word != _DEBUG]
    try:
        with orderly_end():
            tree(words)(words, prog_name="penstock")
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            _end_without_reader()
        raise
    except Exception as error:  # noqa: BLE001 (the last handler of all errors)
        # The terminal was closed, and the signal that says so is still to come.
        if isinstance(error, OSError) and error.errno == errno.EIO and drop_output_to_a_closed_terminal():
            sys.exit(128 + signal.SIGHUP)
        if debug:
            sys.stderr.write(redact("".join(traceback.format_exception(error))))
        text, code = explain(error)
        sys.stderr.write(f"penstock: {redact(text)}\n")
        sys.exit(code)
    sys.exit(0)


def _end_without_reader() -> NoReturn:
    """End as other programs do whose reader has gone, such as `head`. Click has turned the error into an exit."""
    # What is left in the buffer of stdout would raise again at the end of the process.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.__stdout__.fileno() if sys.__stdout__ else 1)
    sys.exit(CLOSED_PIPE)
