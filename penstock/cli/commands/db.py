"""`penstock db`: the tables of the framework and of the service."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy.exc import ProgrammingError

from penstock.cli.support.database import DatabaseOption, find_database, open_engine, translate_errors
from penstock.cli.support.errors import CONFLICT, FAILED, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err, escape_control, print_line
from penstock.cli.support.record import print_record
from penstock.cli.support.remote import RemoteFunction, RemoteOption
from penstock.cli.support.service import MigrationsOption, find_migrations
from penstock.database.idle_timeouts import IDLE_TIMEOUTS, IdleTimeouts, TimeoutsRefused, set_idle_timeouts
from penstock.database.migrate import upgrade
from penstock.database.retention import POSTPONED, prune
from penstock.database.sql_migrations import MigrationFailed, MigrationRefused
from penstock.database.watchdog import Watchdog
from penstock.functions.requests import TIMEOUTS, UPGRADE

app = typer.Typer(
    help="Maintain the database's tables.",
    epilog="Example: penstock db upgrade",
    no_args_is_help=True,
)

_PRUNING_SECONDS = 60.0


@app.callback()
def group() -> None:
    """Maintain the database's tables."""


@app.command(
    "upgrade",
    epilog="Examples: penstock db upgrade · penstock db upgrade --stage dev --profile work · "
    "penstock db upgrade --stage dev --remote --idle-timeouts · "
    "PENSTOCK_DATABASE_URL=postgresql://… penstock db upgrade",
)
@on_stage
def upgrade_(
    *,
    at: Target,
    database_url: DatabaseOption = None,
    migrations: MigrationsOption = None,
    idle_timeouts: Annotated[
        bool,
        typer.Option(
            "--idle-timeouts",
            help="Then let the server end sessions of the functions that are idle for 5 minutes, or for 1 minute "
            "in a transaction.",
        ),
    ] = False,
    role: Annotated[
        str | None,
        typer.Option(
            "--role",
            metavar="NAME",
            help="With --idle-timeouts, the role of the functions; by default the role that connects.",
        ),
    ] = None,
    remote: RemoteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Upgrade the database's schema: the framework's own tables, then the service's.

    Prints each revision that was applied. The command is safe to repeat, also while another one runs. The stage's
    own database is that of the local stack, or the one whose URL is in the secret
    penstock/SERVICE/STAGE/database-url. With --remote, the stage's function `migrate` does it, with the migrations
    that are deployed.

    --idle-timeouts sets idle_session_timeout and idle_in_transaction_session_timeout for the role in this
    database. Frozen functions keep their sessions open without using them; the engines of Penstock never need one
    that was idle for so long.
    """
    if role is not None and (remote or not idle_timeouts):
        raise Failure("--role goes with --idle-timeouts, and not with --remote", USAGE)
    if remote:
        applied = _upgrade_remotely(at, database_url, migrations)
    else:
        url = find_database(database_url, at)
        applied = _upgrade_here(url, find_migrations(migrations))
    for revision in applied:
        print_line({"revision": revision} if as_json else [revision], as_json=as_json)
    echo_err(f"{len(applied)} revision{'s' * (len(applied) != 1)} applied" if applied else "already up to date")
    if idle_timeouts:
        done = _set_timeouts_remotely(at) if remote else _set_timeouts_here(url, role)
        values = ", ".join(f"{name} = {value}" for name, value in IDLE_TIMEOUTS.items())
        echo_err(f"role {done.role} in {done.database}: {values}, for sessions that begin from now on")


def _upgrade_remotely(at: Target, database_url: str | None, migrations: Path | None) -> list[str]:
    if migrations is not None:
        raise Failure(
            "--migrations (or PENSTOCK_MIGRATIONS) does not go with --remote: the function has its own migrations",
            USAGE,
        )
    applied: list[str] = RemoteFunction.find(at, database_url=database_url).run(UPGRADE)["applied"]
    return applied


def _upgrade_here(url: str, migrations: Path | None) -> list[str]:
    with translate_errors(url):
        try:
            return upgrade(url, migrations)
        except MigrationRefused as error:
            raise Failure(str(error), FAILED if isinstance(error, MigrationFailed) else CONFLICT) from error


def _set_timeouts_remotely(at: Target) -> IdleTimeouts:
    return IdleTimeouts(**RemoteFunction.find(at, database_url=None).run(TIMEOUTS))


def _set_timeouts_here(url: str, role: str | None) -> IdleTimeouts:
    try:
        with open_engine(url) as engine:
            return set_idle_timeouts(Watchdog(engine), role)
    except TimeoutsRefused as error:
        raise Failure(str(error)) from error
    except ProgrammingError as error:
        # The role does not exist: the driver's first line names it.
        raise Failure(escape_control(str(error.orig).strip().splitlines()[0])) from error


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
    """Delete ledger entries and tombstones that are older than any message, as the service does each day.

    Safe to run at any time. Prints whether the ledger was rotated, and how many tombstones were deleted. The exit
    code is 5 if the rotation is due but the ledger was in use all the time: run it again.
    """
    with open_engine(find_database(database_url, at)) as engine:
        done = prune(Watchdog(engine), _PRUNING_SECONDS)
    print_record(asdict(done), as_json=as_json)
    if done.rotation == POSTPONED:
        raise Failure("the rotation is due, but the ledger was in use all the time: run it again", CONFLICT)
