"""`penstock init`: a new service, or Penstock in an existing one."""

import re
from pathlib import Path
from typing import Annotated, Final

import typer

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.output import echo_err, print_line
from penstock.cli.support.project import Project
from penstock.scaffold.create import Made, create
from penstock.scaffold.service import AnswerError, Answers
from penstock.scaffold.update import Change, State, changes

EPILOG: Final = (
    "Examples: penstock init shop · penstock init --into . --vpc · penstock init --update > update.patch. "
    "Exit codes: 0 done, 1 something failed, 2 wrong usage."
)


def init(
    name: Annotated[
        str | None,
        typer.Argument(help="The name of the service, and of its folder.", show_default=False),
    ] = None,
    *,
    into: Annotated[
        Path | None,
        typer.Option(
            "--into",
            metavar="FOLDER",
            file_okay=False,
            help="Add Penstock to the service in this folder. No file is overwritten: what there is to merge into "
            "existing files is printed.",
        ),
    ] = None,
    minimal: Annotated[
        bool, typer.Option("--minimal", help="Only what is deployed: no tests, README, package.json.")
    ] = False,
    vpc: Annotated[
        bool, typer.Option("--vpc", help="Put the functions that use the database into a VPC, which exists.")
    ] = False,
    fifo: Annotated[bool, typer.Option("--fifo", help="Take a FIFO queue: order within a visitor.")] = False,
    update: Annotated[
        bool,
        typer.Option(
            "--update",
            help="Write nothing: print what this version of Penstock would change in the service of the current "
            "folder, as a patch for `git apply`.",
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON lines instead of text.")] = False,
) -> None:
    """Make a service with one intent, its handler, drain, table, migration and tests, for `penstock local up`.

    The files are yours to change. The service remembers the version and the options in .penstock-init.json:
    --update shows what a newer version would make otherwise.
    """
    try:
        if update:
            if name or into or minimal or vpc or fifo:
                raise Failure("--update takes no name and no options: the service remembers them", USAGE)
            _show_changes(changes(Path.cwd()), as_json=as_json)
            return
        folder, service = _place(name, into)
        made = create(folder, Answers(service, minimal=minimal, vpc=vpc, fifo=fifo))
    except AnswerError as error:
        raise Failure(str(error), USAGE) from error
    except OSError as error:
        raise Failure(f"{error.filename} cannot be written: {error.strerror}") from error
    _show_made(made, as_json=as_json)


def _place(name: str | None, into: Path | None) -> tuple[Path, str]:
    """Return the folder of the service, and its name."""
    if into is not None:
        if not into.is_dir():
            raise Failure(f"there is no folder {into}: for a new service, give its name instead of --into", USAGE)
        found = Project.find(into.resolve())
        own = found.service if found.folder == into.resolve() else None
        return into, name or own or re.sub(r"[^A-Za-z0-9-]+", "-", into.resolve().name).strip("-")
    if name is None:
        raise Failure("give a new service a name, or add Penstock to an existing one with --into FOLDER", USAGE)
    folder = Path(name)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise Failure(f"{folder} is there already: add Penstock to it with `penstock init --into {name}`", USAGE)
    return folder, name


def _show_made(made: Made, *, as_json: bool) -> None:
    if as_json:
        merges = [{"path": merge.path, "text": merge.text} for merge in made.merges]
        print_line({"folder": str(made.folder), "written": made.written, "merge": merges}, as_json=True)
        return
    for path in made.written:
        print_line([f"written {made.folder / path}"], as_json=False)
    for merge in made.merges:
        typer.echo(f"\nmerge into {made.folder / merge.path}:\n\n{merge.text}")
    enter = "" if made.folder.resolve() == Path.cwd() else f"cd {made.folder} && "
    echo_err(f"next: {enter}uv sync && uv run penstock local up")


def _show_changes(found: list[Change], *, as_json: bool) -> None:
    for change in found:
        if as_json:
            print_line({"path": change.path, "state": change.state, "patch": change.patch}, as_json=True)
            continue
        typer.echo(change.patch, nl=False)
        echo_err(f"{change.path}: {change.state}{_ADVICE.get(change.state, '')}")
    if not found:
        echo_err("nothing: the service is as this version would make it")


_ADVICE: Final = {State.BOTH: "; the patch would undo that: take over by hand what is new"}
