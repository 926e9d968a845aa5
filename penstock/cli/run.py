"""Running a command: an error becomes a line or two on stderr, with the way out, and an exit code.

Exit codes: 0 all done; 1 something failed; 2 wrong usage; 3 a confirmation is needed; 4 missing or wrong
credentials; 5 a conflict with another run or a deployment; 10 a check found something; 130 interrupted; 141 the
reader of stdout has gone.
"""

import os
import re
import sys
import traceback
from io import TextIOWrapper
from pathlib import Path
from typing import NoReturn

from botocore.exceptions import (
    ClientError,
    CredentialRetrievalError,
    EndpointConnectionError,
    NoCredentialsError,
    NoRegionError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)

from penstock.cli.app import tree
from penstock.cli.support.aws_errors import CREDENTIAL_CODES
from penstock.cli.support.errors import CLOSED_PIPE, CREDENTIALS, FAILED, USAGE, Failure
from penstock.project.errors import ProjectError
from penstock.settings import SettingsError

_DEBUG = "--debug"
_NO_CREDENTIALS = (
    CredentialRetrievalError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    SSOError,
    TokenRetrievalError,
)
_PASSWORD_IN_URL = re.compile(r"(://[^/\s:@]*):\S*@")
_PASSWORD_NAMED = re.compile(r"(password\s*=\s*)('[^']*'|[^\s&]+)", re.IGNORECASE)


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
        tree(words)(words, prog_name="penstock")
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):
            _end_without_reader()
        raise
    except Exception as error:  # noqa: BLE001 (the last handler of all errors)
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


def explain(error: Exception) -> tuple[str, int]:
    """Return the message for an error, and the exit code."""
    if isinstance(error, Failure):
        return str(error), error.code
    if isinstance(error, SettingsError | ProjectError):
        return str(error), USAGE
    chain = _chain(error)
    for cause in chain:
        if isinstance(cause, EndpointConnectionError):
            return (
                f"{cause}\nCheck the network and --endpoint-url; `penstock local up` starts the local stack",
                FAILED,
            )
        if isinstance(cause, NoRegionError):
            return "no AWS region: give --region, or set AWS_DEFAULT_REGION", USAGE
        if isinstance(cause, _NO_CREDENTIALS) or _code(cause) in CREDENTIAL_CODES:
            return f"{_line(cause)}\nCheck the AWS credentials: --profile, or AWS_PROFILE", CREDENTIALS
    lines = list(dict.fromkeys(_line(cause) for cause in chain))
    return "\n  because ".join(lines[:2]) + "\n(--debug shows the traceback)", FAILED


def redact(text: str) -> str:
    """Replace the passwords in URLs and connection strings by `***`."""
    return _PASSWORD_NAMED.sub(r"\1***", _PASSWORD_IN_URL.sub(r"\1:***@", text))


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and its causes, the outermost first."""
    chain = [error]
    while (cause := chain[-1].__cause__ or chain[-1].__context__) is not None and cause not in chain:
        chain.append(cause)
    return chain


def _line(error: BaseException) -> str:
    """Format an error in one line, with the class of an error that is not ours: `'id'` alone says less."""
    text = str(error).strip()
    first = text.splitlines()[0] if text else ""
    own = type(error).__module__.startswith("penstock.")
    return first if own and first else f"{type(error).__name__}: {first}".rstrip(": ")


def _code(error: BaseException) -> str:
    return error.response.get("Error", {}).get("Code", "") if isinstance(error, ClientError) else ""
