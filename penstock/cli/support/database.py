"""The database that a command means, and what to say when it cannot be reached."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import URL, Engine
from sqlalchemy.exc import OperationalError

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import escape_control
from penstock.cli.support.stage import LOCAL, Stage
from penstock.database.engine import driver_url, make_engine
from penstock.local import state
from penstock.settings import SettingsError

_VARIABLE = "PENSTOCK_DATABASE_URL"

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        rich_help_panel="Where",
        help="The database, or the ARN of a secret that holds its URL. "
        f"By default {_VARIABLE}, then the stage's own.",
    ),
]


def find_database(given: str | None, at: Target) -> str:
    """Return the URL of the database that the options mean; the stage is looked for only if it is needed.

    Raises:
        Failure: they mean none.
    """
    given = given or os.environ.get(_VARIABLE, "").strip()
    if given and not given.startswith("arn:"):
        return given
    return _url_of(at.open(), given or None)


@contextmanager
def reaching(url: str) -> Iterator[None]:
    """Say on stderr which database is about to be asked, and tell in a line if it cannot be.

    Raises:
        Failure: the URL is none, or the database cannot be reached, or refuses us.
    """
    parsed = _parsed(url)
    typer.echo(f"database {parsed.database} at {parsed.host}:{parsed.port or 5432}", err=True)
    try:
        yield
    except OperationalError as error:
        # The driver's words name host and user, never the password.
        raise Failure(escape_control(str(error.orig).strip().splitlines()[0])) from error


@contextmanager
def connecting(url: str) -> Iterator[Engine]:
    """Give an engine of one connection for the time of a command.

    Raises:
        Failure: as `reaching` says.
    """
    with reaching(url):
        engine = make_engine(url)
        try:
            yield engine
        finally:
            engine.dispose()


def _url_of(stage: Stage, secret: str | None) -> str:
    """Return the URL of a stage's own database, or the one in a secret."""
    if secret is None and stage.name == LOCAL:
        stack = state.load(stage.project.folder)
        if stack is not None:
            return stack.database_url
    return stage.secret(secret or f"penstock/{stage.service_name}/{stage.name}/database-url")


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
