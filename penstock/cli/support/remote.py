"""Running the deployed function `migrate` of a stage, for a database that this machine cannot reach."""

import json
from typing import Annotated, Any, Final

import typer
from botocore.config import Config
from botocore.exceptions import ClientError

from penstock.cli.support.errors import CONFLICT, FAILED, USAGE, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err, escape_control

RemoteOption = Annotated[
    bool,
    typer.Option(
        "--remote",
        rich_help_panel="Where",
        help="Run in the stage's function `migrate`, for a database that only functions can reach.",
    ),
]

_LONGEST_SECONDS: Final = 900
"""The longest timeout of a function."""
_THROTTLED: Final = "TooManyRequestsException"


def run_remotely(at: Target, action: str, *, database_url: str | None) -> dict[str, Any]:
    """Invoke the function `migrate` once, and wait for its answer.

    Args:
        at: the stage.
        action: the function's action, `upgrade` or `check`.
        database_url: the value of --database-url, which has to be None.

    Raises:
        Failure: the stage has no such function, another one runs, or it reports an error.
    """
    if database_url:
        raise Failure("--database-url does not go with --remote: the function has a setting of its own", USAGE)
    stage = at.open()
    (name,) = stage.outputs("MigrateFunctionName")
    echo_err(f"function {name} in {stage.session.region_name}")
    limits = Config(connect_timeout=5, read_timeout=_LONGEST_SECONDS, retries={"total_max_attempts": 1})
    client: Any = stage.session.client("lambda", config=limits, endpoint_url=stage.endpoint_url)
    try:
        invoked = client.invoke(FunctionName=name, Payload=json.dumps({"action": action}).encode())
    except ClientError as error:
        if error.response["Error"]["Code"] != _THROTTLED:
            raise
        raise Failure(f"{name} is running already: wait for it, and run this again", CONFLICT) from error
    answer: dict[str, Any] = json.loads(invoked["Payload"].read())
    if "FunctionError" in invoked:
        cause = escape_control(f"{answer.get('errorType')}: {answer.get('errorMessage')}".splitlines()[0])
        raise Failure(f"{name} failed: {cause}\nIts log has the whole error")
    if "error" in answer:
        raise Failure(escape_control(answer["error"]), USAGE if answer["settings"] else FAILED)
    return answer
