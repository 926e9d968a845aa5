"""`penstock build`: the artifacts of the functions."""

from pathlib import Path
from typing import Annotated, Final

import typer

from penstock.artifacts.build import Artifact, build
from penstock.artifacts.errors import BuildError
from penstock.artifacts.limits import megabytes
from penstock.artifacts.notes import notes
from penstock.cli.support.column import Column, Row
from penstock.cli.support.errors import Failure
from penstock.cli.support.listing import print_rows
from penstock.cli.support.options import JsonOption
from penstock.cli.support.output import echo_err
from penstock.cli.support.project import Project
from penstock.cli.support.service import find_config

EPILOG: Final = (
    "Examples: penstock build · penstock build --stage prod --json · "
    "penstock build --stage prod && npx osls deploy --stage prod."
)

_DEFAULT_STAGE: Final = "dev"


def build_(
    *,
    stage: Annotated[
        str, typer.Option("--stage", help="The stage to build for, as for `osls deploy`; `local` is this machine.")
    ] = _DEFAULT_STAGE,
    as_json: JsonOption = False,
) -> None:
    """Build the artifacts of the functions, as [tool.penstock.build] in pyproject.toml describes them.

    Writes build/STAGE/NAME.zip for each artifact, if its content has changed, and prints a line for it: the name,
    `built` or `unchanged`, its size, its size unzipped, the path. Dependencies have the versions of the lock file.
    A build needs no AWS account and no Docker.
    """
    folder = Project.find(Path.cwd()).folder
    try:
        artifacts = build(find_config(), folder, stage, echo_err)
    except BuildError as error:
        raise Failure(str(error)) from error
    print_rows(map(_row, artifacts), _COLUMNS, as_json=as_json)
    for note in notes(artifacts, stage):
        echo_err(f"note: {note}")


_COLUMNS = (
    Column(name="artifact", bare=True),
    Column(name="result", bare=True),
    Column(name="zip_bytes", title="size", right=True, shown=lambda row: megabytes(row["zip_bytes"])),
    Column(
        name="unzipped_bytes", title="unzipped", right=True, shown=lambda row: megabytes(row["unzipped_bytes"])
    ),
    Column(name="path", bare=True),
)


def _row(artifact: Artifact) -> Row:
    return {
        "artifact": artifact.plan.name,
        "result": _verb(artifact),
        "zip_bytes": artifact.zip_bytes,
        "unzipped_bytes": artifact.unzipped_bytes,
        "bytecode": artifact.bytecode,
        "python": artifact.plan.target.python,
        "architecture": artifact.plan.target.architecture,
        "path": str(artifact.plan.archive),
    }


def _verb(artifact: Artifact) -> str:
    return "built" if artifact.changed else "unchanged"
