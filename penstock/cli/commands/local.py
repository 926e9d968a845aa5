"""`penstock local`: the whole service on this machine."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from penstock.cli.support.errors import Failure
from penstock.cli.support.project import Project

if TYPE_CHECKING:
    from penstock.local.stack import LocalDeployment

app = typer.Typer(
    help="Run the service on this machine: Postgres, a local AWS, and a real deployment to it.",
    epilog="Examples: penstock local up · penstock local status --json · penstock local down.",
    no_args_is_help=True,
)

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(epilog="Examples: penstock local up · penstock local up --json | jq -r .api_url.")
def up(as_json: JsonOption = False) -> None:
    """Start everything that does not run and deploy what changed; safe to run again, or after a crash."""
    with _talk() as say, _stack() as stack:
        details = stack.up(say)
        facts = stack.status()
    _print(facts, as_json)
    if not as_json:
        sys.stderr.write(f"Try:\n  {details.curl}\n")


@app.command(epilog="Example: penstock local down.")
def down() -> None:
    """Stop everything. The database stays for the next `up`; what was queued is gone."""
    with _talk() as say, _stack() as stack:
        say("stopping")
        stack.down()


@app.command(epilog="Examples: penstock local status · penstock local status --json.")
def status(as_json: JsonOption = False) -> None:
    """Show what runs and where it is."""
    with _stack() as stack:
        facts = stack.status()
    _print(facts, as_json)


@app.command(epilog="Example: penstock local reset && penstock local up.")
def reset() -> None:
    """Stop everything and delete its data, the database too."""
    with _talk() as say, _stack() as stack:
        say("deleting the local stack")
        stack.reset()


@contextmanager
def _stack() -> Iterator["LocalDeployment"]:
    """Give the stack of the project we are in, and tell what goes wrong with it in a line."""
    try:
        from penstock.local.errors import LocalError  # noqa: PLC0415 (the extra `local` may be missing)
        from penstock.local.stack import LocalDeployment  # noqa: PLC0415
    except ImportError as error:
        raise Failure("the local stack is not installed: pip install 'penstock[local]'") from error
    try:
        yield LocalDeployment(Project.find(Path.cwd()).folder)
    except LocalError as error:
        raise Failure(str(error)) from error


@contextmanager
def _talk() -> Iterator[Callable[[str], None]]:
    """Give a function that shows the step being taken, on stderr."""
    console = Console(stderr=True)
    with console.status("") as spinner:

        def say(step: str) -> None:
            spinner.update(step)
            if not console.is_terminal:
                console.print(step)

        yield say


def _print(facts: dict[str, object], as_json: bool) -> None:
    """Write what is known to stdout; passwords too, since whoever asks owns the files that hold them."""
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        typer.echo(f"{name + ':':<24}{_plain(value)}")


def _plain(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name}: {content}" for name, content in value.items())
        case _:
            return str(value)
