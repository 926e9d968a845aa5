"""An error as a line or two for people, without a password."""

import re

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

from penstock.cli.support.aws_errors import CREDENTIAL_CODES
from penstock.cli.support.errors import CREDENTIALS, FAILED, USAGE, Failure
from penstock.project.errors import ProjectError
from penstock.settings import SettingsError

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
