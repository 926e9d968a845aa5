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
from penstock.cli.support.service import MigrationsOption

if TYPE_CHECKING:
    from penstock.local.stack import LocalDeployment

app = typer.Typer(
    help="Run the service on this machine: Postgres, a local AWS, and a real deployment to it.",
    epilog="Examples: penstock local up · penstock local status --json · penstock local down.",
    no_args_is_help=True,
)

BuildOption = Annotated[
    str | None,
    typer.Option(
        "--build",
        envvar="PENSTOCK_BUILD",
        metavar="COMMAND",
        help="The shell command that builds the artifacts. By default `penstock build`, if [tool.penstock] names "
        "artifacts.",
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command(
    epilog="Examples: penstock local up · penstock local up --json | jq -r .api_url · "
    "penstock local up --build 'make zips'."
)
def up(build: BuildOption = None, migrations: MigrationsOption = None, as_json: JsonOption = False) -> None:
    """Start what is not running, build, and deploy what has changed; safe to repeat, also after a crash."""
    with _progress() as report, _local_deployment(build, migrations) as stack:
        details = stack.up(report)
        facts = stack.status()
    _print(facts, as_json)
    if not as_json and details.curl:
        sys.stderr.write(f"Try:\n  {details.curl}\n")


@app.command(epilog="Example: penstock local down.")
def down() -> None:
    """Stop everything. The database is kept for the next `up`; messages on the queues are lost."""
    with _progress() as report, _local_deployment() as stack:
        report("stopping the local stack")
        stack.down()


@app.command(epilog="Examples: penstock local status · penstock local status --json.")
def status(as_json: JsonOption = False) -> None:
    """Show what is running, and its addresses."""
    with _local_deployment() as stack:
        facts = stack.status()
    _print(facts, as_json)


@app.command(
    epilog="Examples: penstock local logs · penstock local logs orders · penstock local logs drain --follow."
)
def logs(
    function: Annotated[
        str | None, typer.Argument(help="The function, as in serverless.yml. By default all of them.")
    ] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show new lines until Ctrl-C.")] = False,
) -> None:
    """Show what the deployed functions have logged since the local AWS started: time, function, line."""
    with _local_deployment() as stack:
        reader = stack.logs(function)
        for line in reader.follow() if follow else reader.read():
            typer.echo(f"{line.time:%H:%M:%S.%f}  {line.function}  {line.text}")


@app.command(
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True},
    epilog="Examples: penstock local psql · penstock local psql -c 'TABLE orders'.",
)
def psql(context: typer.Context) -> None:
    """Open the database in psql, which comes with the local stack; all arguments go to psql."""
    with _local_deployment() as stack:
        code = stack.psql(context.args)
    raise typer.Exit(code)


@app.command(epilog="Example: penstock local reset && penstock local up.")
def reset() -> None:
    """Stop everything and delete all data, including the database."""
    with _progress() as report, _local_deployment() as stack:
        report("deleting the local stack")
        stack.reset()


@contextmanager
def _local_deployment(build: str | None = None, migrations: Path | None = None) -> Iterator["LocalDeployment"]:
    """Give the local deployment of the current project, and turn its errors into a `Failure`."""
    try:
        from penstock.local.errors import LocalError  # noqa: PLC0415 (the extra `local` may be missing)
        from penstock.local.stack import LocalDeployment  # noqa: PLC0415
    except ImportError as error:
        raise Failure("the local stack is not installed: pip install 'penstock-postgres[local]'") from error
    try:
        yield LocalDeployment(Project.find(Path.cwd()).folder, build=build, migrations=migrations)
    except LocalError as error:
        raise Failure(str(error)) from error


@contextmanager
def _progress() -> Iterator[Callable[[str], None]]:
    """Give a function that shows the current step on stderr."""
    console = Console(stderr=True)
    with console.status("") as spinner:

        def report(step: str) -> None:
            spinner.update(step)
            if not console.is_terminal:
                console.print(step)

        yield report


def _print(facts: dict[str, object], as_json: bool) -> None:
    """Print the facts on stdout, with the passwords: the user owns the files that hold them."""
    if as_json:
        typer.echo(json.dumps(facts))
        return
    for name, value in facts.items():
        typer.echo(f"{name + ':':<24}{_format(value)}")


def _format(value: object) -> str:
    match value:
        case None:
            return "-"
        case bool():
            return "yes" if value else "no"
        case dict():
            return ", ".join(f"{name}: {content}" for name, content in value.items())
        case _:
            return str(value)
