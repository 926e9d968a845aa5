"""`penstock dlq export | import | purge`: dead letters out to a file, back from one, and away for good."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.dlq.messages import progress, tell, tell_missing, tell_unseen
from penstock.cli.dlq.recording import NoRecordOption, OperationSpec, first_line, recording
from penstock.cli.dlq.selection import Selection, selecting
from penstock.cli.support.confirm import confirm_by_typing
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import CONFLICT, FAILED, USAGE, Failure
from penstock.cli.support.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.support.output import print_line
from penstock.cli.support.stage import Stage
from penstock.database import operations
from penstock.database.ledger import mark_purged
from penstock.database.operations import Operation
from penstock.deadletters.archive.export import ImportFailure, export, import_letters
from penstock.deadletters.archive.file import Archive, ArchiveError, ArchiveExists, read_archive
from penstock.deadletters.archive.purge import Purged, purge
from penstock.deadletters.message import DeadLetterMessage


@on_stage
@selecting
def export_(
    *,
    at: Target,
    chosen: Selection,
    file: Annotated[Path, typer.Argument(help="The file to write; compressed if its name ends with .gz.")],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Write this many at most.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write dead letters to a file, a JSON object per line, with their payloads. They stay where they are.

    Only you may read the file. It has its name once it is whole; an interrupted run leaves FILE.part.
    """
    selector = chosen.selector()
    queues = at.open().queues()
    depth = queues.dead.depth()
    with progress("exporting", depth.total) as advance, _writing(_archive(file)) as archive:
        done = export(queues.dead, archive, selector, limit=limit, on_page=advance)
    count = done.written
    if as_json:
        print_line({"file": str(file), "messages": count}, as_json=True)
    tell(f"{count} dead letter{'s' * (count != 1)} in {file}, payloads and all. They are still on the queue.")
    tell_unseen(queues.dead, depth, selector, seen=done.seen, whole=count != limit)
    tell_missing(done.missing)
    if done.missing:
        raise typer.Exit(FAILED)


@on_stage
def import_(
    *,
    at: Target,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A file that `export` or `purge` wrote.")
    ],
    from_line: Annotated[int, typer.Option("--from-line", min=1, help="Begin at this line of it.")] = 1,
    as_json: JsonOption = False,
) -> None:
    """Put the dead letters of a file on the dead-letter queue again, each as it was.

    They get new message ids, and their time there begins anew. A line that holds no message, or that SQS refuses,
    is named and stops no other; a queue that takes nothing any more ends it. What is imported twice is there
    twice; its intent still takes effect once. A FILE.part that an interrupted run left is read as far as it goes.
    """
    queues = at.open().queues()
    failed, last = 0, from_line - 1

    def on_failure(one: ImportFailure) -> None:
        nonlocal failed
        failed += 1
        line = {"line": one.line, "code": one.code}
        print_line(line if as_json else line.values(), as_json=as_json)

    def on_line(number: int) -> None:
        nonlocal last
        advance(number - last)
        last = number

    lines = (one for one in read_archive(file) if one[0] >= from_line)
    try:
        with progress("importing", 0) as advance:
            count = import_letters(queues.dead, lines, on_failure=on_failure, on_line=on_line)
    except ArchiveError as error:
        raise Failure(f"{error}\nAll before line {last + 1} is done") from error
    except BaseException:
        tell(f"stopped; all before line {last + 1} is done: --from-line {last + 1} goes on there")
        raise
    tell(f"{count} put on the dead-letter queue, {failed} not")
    if failed:
        raise typer.Exit(FAILED)


@on_stage
@selecting
def purge_(
    *,
    at: Target,
    chosen: Selection,
    everything: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Delete this many at most.")] = None,
    backup: Annotated[
        Path | None, typer.Option("--backup", help="The file to save them in; one with the time in its name.")
    ] = None,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Save them nowhere.")] = False,
    yes: YesOption = False,
    no_input: NoInputOption = False,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    no_record: NoRecordOption = False,
) -> None:
    """Delete dead letters for good, each only once it is in a backup that `import` reads.

    Asks for the stage's name to be typed. It can be interrupted and run again with another file: what was deleted
    is in the backup, FILE.part if the run did not end.
    """
    selector = chosen.to_act_on(everything=everything)
    if backup and no_backup:
        raise Failure("either --backup FILE or --no-backup", USAGE)
    stage = at.open()
    queues = stage.queues()
    depth = queues.dead.depth()
    archive = None if no_backup else _archive(backup or _backup_name(stage))
    what = "All" if everything else "The selected ones"
    what = what if limit is None else f"Up to {limit}"
    question = f"{what} of about {depth.total} dead letters will be gone."
    confirm_by_typing(stage.name, question, yes=yes, no_input=no_input, needs="a purge")
    doing = OperationSpec(
        "purge", selector.describe() | {"limit": limit, "backup": str(archive and archive.path)}, stage
    )
    with recording(doing, at, database_url, no_record=no_record) as (operation, engine):

        def on_deleted(gone: list[DeadLetterMessage]) -> None:
            operation.counts = {"deleted": operation.counts.get("deleted", 0) + len(gone)}
            try:
                _mark(engine, gone, operation)
            finally:
                for one in gone:
                    _print_deleted(one, as_json=as_json)

        with progress("purging", depth.total) as advance, _writing(archive) if archive else nullcontext():
            done = purge(queues.dead, selector, archive, limit=limit, on_deleted=on_deleted, on_page=advance)
        operation.counts = {"deleted": done.deleted, "not deleted": sum(done.kept.values())}
        operation.outcome = operations.FAILED if done.kept else operations.DONE
    whole = done.deleted + sum(done.kept.values()) != limit
    tell_unseen(queues.dead, depth, selector, seen=done.seen, whole=whole)
    _end(done, archive)


def _mark(engine: Engine | None, gone: list[DeadLetterMessage], operation: Operation) -> None:
    """Enter in the ledger that these were deleted on purpose.

    Raises:
        Failure: that cannot be done.
    """
    ids = [one.intent_id for one in gone if one.intent_id]
    try:
        if engine and ids:
            mark_purged(engine, ids, operation.id)
    except SQLAlchemyError as error:
        text = f"{len(gone)} were deleted, which the ledger could not be told: {first_line(error)}"
        raise Failure(f"{text}\nNothing more was deleted") from error


def _print_deleted(one: DeadLetterMessage, *, as_json: bool) -> None:
    line = {"outcome": "deleted", "message_id": one.message.message_id, "id": one.id, "kind": one.kind}
    print_line(line if as_json else line.values(), as_json=as_json)


def _end(done: Purged, archive: Archive | None) -> None:
    """Sum up on stderr.

    Raises:
        typer.Exit: something failed.
    """
    if archive and (done.deleted or done.kept):
        tell(f"The backup is {archive.path}: `penstock dlq import` puts it back.")
    elif archive:
        archive.path.unlink()
    for code, count in done.kept.items():
        tell(f"{count} not deleted: {code}.{' They are in the backup as well.' * bool(archive)} Run it again.")
    tell_missing(done.missing)
    if done.kept or done.missing:
        raise typer.Exit(FAILED)


@contextmanager
def _writing(archive: Archive) -> Iterator[Archive]:
    """Write a file; where it is not finished, say what is there of it."""
    with archive:
        try:
            yield archive
        except BaseException:
            tell(f"what was written so far is in {archive.partial}, which `penstock dlq import` reads")
            raise


def _backup_name(stage: Stage) -> Path:
    return Path(f"dead-letters-{stage.stack}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.jsonl.gz")


def _archive(path: Path) -> Archive:
    try:
        return Archive(path)
    except ArchiveError as error:
        raise Failure(str(error), CONFLICT if isinstance(error, ArchiveExists) else USAGE) from None
