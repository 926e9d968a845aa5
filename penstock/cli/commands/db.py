"""`penstock db`: the tables of the framework and of the service."""

from dataclasses import asdict
from pathlib import Path

import typer

from penstock.cli.support.database import DatabaseOption, connecting, find_database, reaching
from penstock.cli.support.errors import CONFLICT, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import print_line
from penstock.cli.support.project import Project
from penstock.database.migrate import upgrade
from penstock.database.retention import POSTPONED, prune
from penstock.database.watchdog import Watchdog

app = typer.Typer(
    help="Look after the database's tables.",
    epilog="Example: penstock db upgrade",
    no_args_is_help=True,
)

_MIGRATIONS = Path("infra", "migrations")
_PRUNING_SECONDS = 60.0


@app.callback()
def group() -> None:
    """Look after the database's tables."""


@app.command(
    "upgrade",
    epilog="Examples: penstock db upgrade · penstock db upgrade --stage dev --profile work · "
    "PENSTOCK_DATABASE_URL=postgresql://… penstock db upgrade",
)
@on_stage
def upgrade_(
    *,
    at: Target,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Bring the database up to date: the framework's own tables, then the service's (infra/migrations).

    Prints each revision that was applied; safe to run again. The stage's own database is that of the local stack,
    or the one named in the secret penstock/SERVICE/STAGE/database-url.
    """
    url = find_database(database_url, at)
    applied = _upgrade(url)
    for revision in applied:
        print_line({"revision": revision} if as_json else [revision], as_json=as_json)
    typer.echo(f"{len(applied)} revisions applied" if applied else "already up to date", err=True)


def _upgrade(url: str) -> list[str]:
    """Upgrade, and say on stderr which database that is.

    Raises:
        Failure: it cannot be reached, or refuses us.
    """
    with reaching(url):
        migrations = Project.find(Path.cwd()).folder / _MIGRATIONS
        return upgrade(url, migrations if migrations.is_dir() else None)


@app.command(
    "prune",
    epilog="Examples: penstock db prune · penstock db prune --stage dev --json",
)
@on_stage
def prune_(
    *,
    at: Target,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Have the ledger and the tombstones forget what is older than any message, as the service does each day.

    Safe to run at any time. Prints whether the ledger was rotated, and how many tombstones were deleted. Ends with
    5 where the rotation is due but the ledger was in use all the time: run it again.
    """
    url = find_database(database_url, at)
    with connecting(url) as engine:
        done = prune(Watchdog(engine), _PRUNING_SECONDS)
    for line in [asdict(done)] if as_json else asdict(done).items():
        print_line(line, as_json=as_json)
    if done.rotation == POSTPONED:
        raise Failure("the rotation is due, but the ledger was in use all the time: run it again", CONFLICT)
