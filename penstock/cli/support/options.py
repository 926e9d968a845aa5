"""Options that many commands share, and what gives them to a command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter, signature
from typing import Annotated, Any

import typer

from penstock.cli.support.stage import Stage, open_stage

JsonOption = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Never ask; fail where I would.")]

Command = Callable[..., None]


def options_for(
    parameter: str, group: Callable[..., Any], options: Mapping[str, Any]
) -> Callable[[Command], Command]:
    """Give commands a group of options in place of one of their parameters.

    Args:
        parameter: the command's parameter, which gets `group(...)`.
        group: made with the value of each option.
        options: each option's annotated type, by the name that `group` knows it by; all of them may be left out.
    """

    def give(command: Command) -> Command:
        @wraps(command)
        def with_options(**given: Any) -> None:
            command(**{parameter: group(**{name: given.pop(name) for name in options})}, **given)

        own = [one for one in signature(command).parameters.values() if one.name != parameter]
        more = [Parameter(n, Parameter.KEYWORD_ONLY, default=None, annotation=o) for n, o in options.items()]
        # What Typer reads the options from.
        with_options.__signature__ = signature(command).replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        with_options.__annotations__ = {one.name: one.annotation for one in (*own, *more)} | {"return": None}
        return with_options

    return give


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


def _text(name: str, meaning: str) -> Any:
    return Annotated[str | None, typer.Option(name, help=meaning, rich_help_panel="Where")]


on_stage = options_for(
    "at",
    Target,
    {
        "stage": _text("--stage", "The deployed stage. By default `local`, if a local stack is recorded here."),
        "service": _text("--service", "The service's name. By default the one in serverless.yml."),
        "region": _text("--region", "The AWS region."),
        "profile": _text("--profile", "The profile of the AWS configuration."),
        "endpoint_url": _text("--endpoint-url", "Talk to this address in place of AWS's."),
    },
)
"""Give a command the options that say which stage is meant, in place of its parameter `at: Target`."""
