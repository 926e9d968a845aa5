"""`penstock db`: the tables of the framework and of the service."""

import os
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import URL
from sqlalchemy.exc import OperationalError

from penstock.cli.failure import USAGE, Failure
from penstock.cli.project import Project
from penstock.cli.render import harmless, print_line
from penstock.cli.stage import (
    LOCAL,
    EndpointOption,
    ProfileOption,
    RegionOption,
    ServiceOption,
    Stage,
    StageOption,
    open_stage,
)
from penstock.database.engine import driver_url
from penstock.database.migrate import upgrade
from penstock.local import state
from penstock.settings import SettingsError

app = typer.Typer(
    help="Look after the database's tables.",
    epilog="Example: penstock db upgrade",
    no_args_is_help=True,
)

_VARIABLE = "PENSTOCK_DATABASE_URL"
_MIGRATIONS = Path("infra", "migrations")


@app.callback()
def group() -> None:
    """Look after the database's tables."""


@app.command(
    "upgrade",
    epilog="Examples: penstock db upgrade · penstock db upgrade --stage dev --profile work · "
    "PENSTOCK_DATABASE_URL=postgresql://… penstock db upgrade",
)
def upgrade_(
    *,
    stage: StageOption = None,
    database_url: Annotated[
        str | None,
        typer.Option(
            "--database-url",
            help="The database, or the ARN of a secret that holds its URL. "
            f"By default {_VARIABLE}, then the stage's own.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object per line.")] = False,
    service: ServiceOption = None,
    region: RegionOption = None,
    profile: ProfileOption = None,
    endpoint_url: EndpointOption = None,
) -> None:
    """Bring the database up to date: the framework's own tables, then the service's (infra/migrations).

    Prints each revision that was applied; safe to run again. The stage's own database is that of the local stack,
    or the one named in the secret penstock/SERVICE/STAGE/database-url.
    """
    given = database_url or os.environ.get(_VARIABLE, "").strip()
    if given and not given.startswith("arn:"):
        url = given
    else:
        url = _url_of(open_stage(stage, service, region, profile, endpoint_url), given or None)
    applied = _upgrade(url)
    for revision in applied:
        print_line({"revision": revision} if as_json else [revision], as_json=as_json)
    typer.echo(f"{len(applied)} revisions applied" if applied else "already up to date", err=True)


def _url_of(stage: Stage, secret: str | None) -> str:
    """Return the URL of a stage's own database, or the one in a secret."""
    if secret is None and stage.name == LOCAL:
        stack = state.load(stage.project.folder)
        if stack is not None:
            return stack.database_url
    return stage.secret(secret or f"penstock/{stage.service_name}/{stage.name}/database-url")


def _upgrade(url: str) -> list[str]:
    """Upgrade, and say on stderr which database that is.

    Raises:
        Failure: it cannot be reached, or refuses us.
    """
    parsed = _parsed(url)
    typer.echo(f"database {parsed.database} at {parsed.host}:{parsed.port or 5432}", err=True)
    migrations = Project.find(Path.cwd()).folder / _MIGRATIONS
    try:
        return upgrade(url, migrations if migrations.is_dir() else None)
    except OperationalError as error:
        # The driver's words name host and user, never the password.
        raise Failure(harmless(str(error.orig).strip().splitlines()[0])) from error


def _parsed(url: str) -> URL:
    """Read the URL of a database.

    Raises:
        Failure: it is none, or a part of its password would be taken for the host or the database.
    """
    try:
        parsed = driver_url(url)
    except SettingsError:
        parsed = None
    if parsed is None:
        form = "postgresql://USER@HOST:PORT/DATABASE, with :PASSWORD after USER"
        raise Failure(f"the database URL is not of the form {form}", USAGE) from None
    if "@" in f"{parsed.host}{parsed.database}":
        raise Failure("the database URL has more than one @: write one in a password as %40", USAGE)
    return parsed
