"""Options that many commands share, and the decorator that adds a group of them to a command."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from functools import wraps
from inspect import Parameter, signature
from shlex import quote
from typing import Annotated, Any

import typer

from penstock.cli.support.stage import Stage, open_stage

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")]
NoInputOption = Annotated[bool, typer.Option("--no-input", help="Never ask; fail instead.")]

Command = Callable[..., None]


def options_for(
    parameter: str, group: Callable[..., Any], options: Mapping[str, Any]
) -> Callable[[Command], Command]:
    """Return a decorator that adds a group of options to a command in place of one of its parameters.

    Args:
        parameter: the command's parameter; it receives `group(...)`.
        group: the function that makes the parameter's value from the values of the options.
        options: the annotated type of each option, by its keyword in `group`. Every option is optional.
    """

    def decorate(command: Command) -> Command:
        @wraps(command)
        def with_options(**given: Any) -> None:
            command(**{parameter: group(**{name: given.pop(name) for name in options})}, **given)

        own = [one for one in signature(command).parameters.values() if one.name != parameter]
        more = [Parameter(n, Parameter.KEYWORD_ONLY, default=None, annotation=o) for n, o in options.items()]
        # Typer reads the options from these two.
        with_options.__signature__ = signature(command).replace(parameters=[*own, *more])  # type: ignore[attr-defined]
        with_options.__annotations__ = {one.name: one.annotation for one in (*own, *more)} | {"return": None}
        return with_options

    return decorate


@dataclass(frozen=True, slots=True)
class Target:
    """The options that name a stage. Nothing calls AWS before the stage is opened.

    Attributes:
        stage: the name, such as `local` or `dev`.
        service: the service's name.
        region: the AWS region.
        profile: the profile of the AWS configuration.
        endpoint_url: the endpoint to use instead of AWS's own.
    """

    stage: str | None
    service: str | None
    region: str | None
    profile: str | None
    endpoint_url: str | None

    @property
    def words(self) -> str:
        """The options that were given, each with a space before it, to repeat them in the command that follows."""
        given = {f"--{one.name.replace('_', '-')}": getattr(self, one.name) for one in fields(self)}
        return "".join(f" {name} {quote(value)}" for name, value in given.items() if value is not None)

    def open(self) -> Stage:
        """Return the stage.

        Raises:
            Failure: as for `open_stage`.
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
        "endpoint_url": _text("--endpoint-url", "The endpoint to use instead of AWS's own."),
    },
)
"""Add the options that name a stage to a command, in place of its parameter `at: Target`."""
