"""A trial: what the drain would do with dead letters now, in a transaction that is rolled back."""

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.support.database import CHECK_THE_DATABASE, database_message
from penstock.cli.support.errors import Failure
from penstock.cli.support.service import import_drain
from penstock.cli.support.stage import Stage
from penstock.deadletters import Plan
from penstock.deadletters.replay.preview import DryRun, Previewed, preview
from penstock.queue import Queue
from penstock.settings import Settings

if TYPE_CHECKING:
    from penstock.consumer import Drain

_TRIAL_SECONDS: Final = 10.0


def load_trial(drain: str | None, stage: Stage) -> Callable[[Engine], DryRun]:
    """Import the drain, and return a function that makes a trial of it on a database.

    Args:
        drain: the drain as `MODULE:ATTRIBUTE`; None for the one that the configuration names.
        stage: has the keys of Sensitive fields.

    Raises:
        Failure: the drain cannot be imported.
    """
    from penstock.consumer.dry_run import dry_run  # noqa: PLC0415 (the drain is slow to import, and rarely needed)

    writes = _with_keys(import_drain(drain), stage)
    return lambda engine: lambda bodies: dry_run(writes, engine, bodies, seconds=_TRIAL_SECONDS)


def _with_keys(drain: "Drain", stage: Stage) -> "Drain":
    """Return the drain with the keys of the stage, if it needs any. The trial says what the caller may not use."""
    arn = stage.optional_output("DigestKeyArn") if drain.contract.has_sensitive else None
    if arn is None:
        return drain
    from penstock.encryption.kms import KmsKeys  # noqa: PLC0415 (few services need it)

    try:
        settings = Settings(digest_key=stage.secret(arn))
    except ClientError:
        settings = Settings()
    return drain.using(settings, keys=KmsKeys("", stage.client("kms")))


def require_database(engine: Engine) -> None:
    """Connect to the database of a trial, before anything is leased.

    Raises:
        Failure: it cannot be reached, or refuses the connection.
    """
    try:
        engine.connect().close()
    except SQLAlchemyError as error:
        text = f"a trial writes to the database and rolls back, but cannot connect: {database_message(error)}"
        raise Failure(
            f"{text}\nNothing was leased or sent. {CHECK_THE_DATABASE}; --dry-run needs no database"
        ) from error


def try_letters(
    dead: Queue, plan: Plan, dry_run: DryRun, limit: int, on_page: Callable[[int], None] = lambda _: None
) -> list[Previewed]:
    """Return what would become of dead letters if they were replayed now; nothing is sent.

    Args:
        dead: the dead-letter queue.
        plan: which dead letters, and how they would be edited.
        dry_run: the trial, as `load_trial` makes it.
        limit: how many dead letters to try at most.
        on_page: called for each page with its number of messages.

    Raises:
        penstock.consumer.faults.tree.Fault: there is no result: the database is unwell, for example.
        penstock.queue.QueueError: the queue cannot be read.
    """
    # What would be skipped does not count towards the limit of a plan.
    with closing(preview(dead, replace(plan, limit=limit), dry_run, on_page=on_page)) as results:
        return list(islice(results, limit))
