"""Options that many commands share: which stage is meant, which database, and how to print."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any, Final

import typer

from penstock.cli.stage import Stage, open_stage

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Never ask; fail where I would.")]

_TARGET: Final = "at"
_TARGET_OPTIONS: Final = {
    "stage": typer.Option(
        "--stage", help="The deployed stage. By default `local`, if a local stack is recorded here."
    ),
    "service": typer.Option("--service", help="The service's name. By default the one in serverless.yml."),
    "region": typer.Option("--region", help="The AWS region."),
    "profile": typer.Option("--profile", help="The profile of the AWS configuration."),
    "endpoint_url": typer.Option("--endpoint-url", help="Talk to this address in place of AWS's."),
}


@dataclass(frozen=True, slots=True)
class Target:
    """What the user says of the stage; nothing is asked of AWS before it is opened.

    Attributes:
        stage: `local`, `dev` and so on.
        service: the service's name.
        region: the AWS region.
        profile: the profile of the AWS configuration.
        endpoint_url: in place of AWS's own.
    """

    stage: str | None
    service: str | None
    region: str | None
    profile: str | None
    endpoint_url: str | None

    def open(self) -> Stage:
        """Find the way to the stage.

        Raises:
            Failure: no stage was given and none is recorded, or the local one is not there.
        """
        return open_stage(self.stage, self.service, self.region, self.profile, self.endpoint_url)


def on_stage(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the options that say which stage is meant, in place of its parameter `at: Target`."""

    @wraps(command)
    def with_options(**given: Any) -> None:
        command(**{_TARGET: Target(**{name: given.pop(name) for name in _TARGET_OPTIONS})}, **given)

    own = [one for one in signature(command).parameters.values() if one.name != _TARGET]
    parameters = [*own, *(_optional(name, option) for name, option in _TARGET_OPTIONS.items())]
    # What Typer reads the options from.
    with_options.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    with_options.__annotations__ = {one.name: one.annotation for one in parameters} | {"return": None}
    return with_options


def _optional(name: str, option: Any) -> Parameter:
    return Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=Annotated[str | None, option])
