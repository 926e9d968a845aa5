"""An error in one line, for a part of a larger picture that could not be read."""

from botocore.exceptions import ClientError
from sqlalchemy.exc import DBAPIError

from penstock.cli.support.output import escape_control


def describe_error(error: Exception) -> str:
    """Return the reason why a part could not be read, in one line."""
    if isinstance(error, ClientError):
        return f"{error.operation_name}: {error.response['Error']['Code']}"
    # The driver's text names the host and the user, never the password.
    text = str(error.orig if isinstance(error, DBAPIError) else error).strip()
    first = text.splitlines()[0] if text else ""
    return escape_control(first) or type(error).__name__
