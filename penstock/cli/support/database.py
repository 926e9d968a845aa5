"""The database that a command uses, and its errors in one line."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from sqlalchemy import URL, Engine
from sqlalchemy.exc import DBAPIError, OperationalError

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err, escape_control
from penstock.cli.support.stage import LOCAL, Stage
from penstock.database.address import address_setting, describe, driver_url, find_address, secret_address
from penstock.database.engine import make_engine
from penstock.local import state
from penstock.settings import SettingsError

_VARIABLE = "PENSTOCK_DATABASE_URL"
CHECK_THE_DATABASE = f"Check the database and its URL: --database-url, or {_VARIABLE}"
"""What to do if it cannot be reached."""

DatabaseOption = Annotated[
    str | None,
    typer.Option(
        "--database-url",
        rich_help_panel="Where",
        help="The database's URL, or the ARN of a secret that holds it. "
        f"By default {_VARIABLE}, then the stage's own database.",
    ),
]


def find_database(given: str | None, at: Target) -> str:
    """Return the URL of the database to use. The stage is opened only if the URL comes from it or from a secret.

    Args:
        given: the value of --database-url.
        at: the stage.

    Raises:
        Failure: no URL is given, and the stage has none; or the URL or its secret is not valid.
    """
    given = given or os.environ.get(_VARIABLE, "").strip()
    with _translate_settings():
        if not given:
            return _stage_url(at.open())
        address = find_address(given, lambda arn: at.open().secret(arn))
        return address_setting(address) if address.secret else given


@contextmanager
def translate_errors(url: str, *, quiet: bool = False) -> Iterator[None]:
    """Print on stderr which database is used unless `quiet`, and turn its operational errors into a `Failure`.

    Raises:
        Failure: the URL is not valid, or the database cannot be reached, or it refused the connection.
    """
    try:
        with _translate_settings():
            database = describe(_parse(url))
            if not quiet:
                echo_err(f"database {database}")
            yield
    except OperationalError as error:
        # The driver's text names the host and the user, never the password.
        cause = escape_control(str(error.orig).strip().splitlines()[0])
        raise Failure(f"{cause}\n{CHECK_THE_DATABASE}") from error


@contextmanager
def open_engine(url: str, *, quiet: bool = False) -> Iterator[Engine]:
    """Give an engine with one connection, and dispose of it at the end of the block.

    Args:
        url: the database.
        quiet: whether nothing is printed, since a screen is shown.

    Raises:
        Failure: as for `translate_errors`.
    """
    with translate_errors(url, quiet=quiet):
        engine = make_engine(url)
        try:
            yield engine
        finally:
            engine.dispose()


def database_message(error: Exception) -> str:
    """Return the first line of the driver's message; the lines after it can hold values of intents."""
    if isinstance(error, DBAPIError):
        return escape_control(str(error.orig).strip().splitlines()[0])
    return str(error)


@contextmanager
def _translate_settings() -> Iterator[None]:
    try:
        yield
    except SettingsError as error:
        raise Failure(str(error), USAGE) from error


def _stage_url(stage: Stage) -> str:
    """Return the URL of the stage's own database."""
    if stage.name == LOCAL:
        stack = state.load(stage.project.folder)
        if stack is not None:
            return stack.database_url
    name = f"penstock/{stage.service_name}/{stage.name}/database-url"
    return address_setting(secret_address(name, stage.secret(name)))


def _parse(url: str) -> URL:
    """Parse the URL of a database.

    Raises:
        Failure: a part of its password would be read as the host or the database.
        penstock.settings.SettingsError: it is not valid.
    """
    parsed = driver_url(url)
    if "@" in f"{parsed.host}{parsed.database}":
        raise Failure("the database URL has more than one @: write one in a password as %40", USAGE)
    return parsed
