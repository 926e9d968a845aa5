"""Running the deployed function `migrate` of a stage, for a database that this machine cannot reach."""

import json
from typing import Annotated, Any, Final, Self

import typer
from botocore.config import Config
from botocore.exceptions import ClientError

from penstock.cli.support.errors import CONFLICT, FAILED, USAGE, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err, escape_control
from penstock.functions.requests import MIGRATIONS, SETTINGS

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
_CODES: Final = {SETTINGS: USAGE, MIGRATIONS: CONFLICT}
"""The exit code for what the function blames."""


class RemoteFunction:
    """The function `migrate` of a stage."""

    def __init__(self, name: str, client: Any) -> None:
        """Take its name and a client of Lambda."""
        self._name = name
        self._client = client

    @classmethod
    def find(cls, at: Target, *, database_url: str | None) -> Self:
        """Find the function of a stage, and print its name on stderr.

        Args:
            at: the stage.
            database_url: the value of --database-url, which has to be None.

        Raises:
            Failure: the stage has no such function.
        """
        if database_url:
            raise Failure("--database-url does not go with --remote: the function has a setting of its own", USAGE)
        stage = at.open()
        (name,) = stage.outputs("MigrateFunctionName")
        echo_err(f"function {name} in {stage.session.region_name}")
        limits = Config(connect_timeout=5, read_timeout=_LONGEST_SECONDS, retries={"total_max_attempts": 1})
        return cls(name, stage.session.client("lambda", config=limits, endpoint_url=stage.endpoint_url))

    def run(self, action: str, **request: object) -> dict[str, Any]:
        """Invoke the function once, and wait for its answer.

        Args:
            action: the function's action.
            request: what the action needs besides.

        Raises:
            Failure: another one runs, or it reports an error.
        """
        event = {"action": action, **request}
        try:
            invoked = self._client.invoke(FunctionName=self._name, Payload=json.dumps(event).encode())
        except ClientError as error:
            if error.response["Error"]["Code"] != _THROTTLED:
                raise
            text = f"{self._name} is running already: wait for it, and run this again"
            raise Failure(text, CONFLICT) from error
        answer: dict[str, Any] = json.loads(invoked["Payload"].read())
        if "FunctionError" in invoked:
            cause = escape_control(f"{answer.get('errorType')}: {answer.get('errorMessage')}".splitlines()[0])
            raise Failure(f"{self._name} failed: {cause}\nIts log has the whole error")
        if "error" in answer:
            raise Failure(escape_control(answer["error"]), _CODES.get(answer["blame"], FAILED))
        return answer
