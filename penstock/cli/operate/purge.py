"""A purge that marks the intents in the ledger and keeps the operation's record up to date."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.support.database import database_message
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.stage import Stage
from penstock.database import operations
from penstock.database.ledger import mark_purged
from penstock.database.operations import Operation
from penstock.deadletters import DeadLetterMessage, Selector
from penstock.deadletters.archive.file import Archive
from penstock.deadletters.archive.purge import Purged, purge
from penstock.local import state
from penstock.queue import Queue

_BACKUPS: Final = Path(state.FOLDER, "backups")


def default_backup(stage: Stage) -> Path:
    """Return a new file for the backup of a purge, with the time in its name, in a folder that git ignores."""
    name = f"dead-letters-{stage.stack}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl.gz"
    return stage.project.folder / _BACKUPS / name


def make_backup_folder(folder: Path) -> None:
    """Make the folder of the backups. They hold payloads, so git ignores it, and only its owner may read it.

    Raises:
        Failure: it cannot be made.
    """
    ignore = folder / ".gitignore"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not ignore.exists():
            ignore.write_text("*\n", encoding="utf-8")
    except OSError as error:
        text = f"the folder of the backup cannot be made: {folder}: {error.strerror}"
        raise Failure(f"{text}\nNothing was done. Give another file with --backup", USAGE) from error


def run_purge(
    dead: Queue,
    selector: Selector,
    archive: Archive | None,
    operation: Operation,
    engine: Engine | None,
    *,
    limit: int | None = None,
    on_deleted: Callable[[list[DeadLetterMessage]], None] = lambda _: None,
    on_page: Callable[[int], None] = lambda _: None,
    on_skip: Callable[[DeadLetterMessage], None] = lambda _: None,
) -> Purged:
    """Delete the selected dead letters for good, each page after it is in the backup, and mark their intents.

    Args:
        dead: the dead-letter queue.
        selector: which dead letters to delete.
        archive: the open backup; None for no backup.
        operation: the record, whose counts and outcome are kept up to date.
        engine: the database of the ledger; None to mark nothing.
        limit: the maximum number to delete.
        on_deleted: called for each page with its deleted dead letters, also if they could not be marked.
        on_page: called for each page with its number of messages, selected or not.
        on_skip: called for each message that was read and is not selected.

    Raises:
        Failure: the ledger cannot be written; the purge stopped there.
        penstock.deadletters.archive.file.ArchiveError: the backup cannot be written; nothing has been deleted that
            is not in it.
        penstock.queue.QueueError: the queue cannot be read.
    """

    def on_page_deleted(deleted: list[DeadLetterMessage]) -> None:
        operation.counts = {"deleted": operation.counts.get("deleted", 0) + len(deleted)}
        try:
            _mark_in_ledger(engine, deleted, operation)
        finally:
            on_deleted(deleted)

    done = purge(
        dead, selector, archive, limit=limit, on_deleted=on_page_deleted, on_page=on_page, on_skip=on_skip
    )
    operation.counts = {"deleted": done.deleted, "not deleted": sum(done.kept.values())}
    operation.outcome = operations.FAILED if done.kept else operations.DONE
    return done


def _mark_in_ledger(engine: Engine | None, deleted: list[DeadLetterMessage], operation: Operation) -> None:
    """Mark the deleted intents as purged in the ledger.

    Raises:
        Failure: the ledger cannot be written.
    """
    ids = [one.intent_id for one in deleted if one.intent_id]
    try:
        if engine and ids:
            mark_purged(engine, ids, operation.id)
    except SQLAlchemyError as error:
        text = f"{len(deleted)} were deleted, but could not be marked in the ledger: {database_message(error)}"
        raise Failure(f"{text}\nThe purge stopped there. Check the database, and run the command again") from error
