"""`penstock dlq export | import | purge`: write dead letters to a file, read them back, delete them."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from penstock.cli.dlq.lookup import look_up
from penstock.cli.dlq.messages import format_dead_letters, progress_bar, report_missing, report_unseen
from penstock.cli.dlq.recording import NoRecordOption, OperationSpec, operations_database, recording
from penstock.cli.dlq.selection import Selection, selection_options
from penstock.cli.dlq.steps import print_step
from penstock.cli.dlq.sums import report_sum
from penstock.cli.operate.purge import default_backup, make_backup_folder, run_purge
from penstock.cli.support.confirm import confirm_by_typing
from penstock.cli.support.database import DatabaseOption
from penstock.cli.support.errors import CONFLICT, FAILED, USAGE, Failure
from penstock.cli.support.options import JsonOption, NoInputOption, Target, YesOption, on_stage
from penstock.cli.support.output import echo_err, print_line
from penstock.database import operations
from penstock.deadletters.archive.export import ImportFailure, export, import_letters
from penstock.deadletters.archive.file import Archive, ArchiveError, ArchiveExists, read_archive
from penstock.deadletters.archive.purge import Purged
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.scan.passed_over import PassedOver


@on_stage
@selection_options
def export_(
    *,
    at: Target,
    chosen: Selection,
    file: Annotated[Path, typer.Argument(help="The file to write; it is compressed if its name ends with .gz.")],
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Write at most this many.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Write dead letters with their payloads to a file, one JSON object per line. They stay on the queue.

    Only the owner of the file can read it. The file is called FILE.part until it is complete; an interrupted run
    leaves FILE.part.
    """
    selector = chosen.selector()
    queues = at.open().queues()
    selector = look_up(selector, queues.dead, at)
    depth = queues.dead.depth()
    passed_over = PassedOver()
    with progress_bar("exporting", depth.total) as advance, _writing(_create_archive(file)) as archive:
        done = export(queues.dead, archive, selector, limit=limit, on_page=advance, on_skip=passed_over.add)
    count = done.written
    if as_json:
        line = {"file": str(file), "messages": count, "unparsed": done.unparsed}
        print_line(line | {"read": done.seen, "not_selected": passed_over.count}, as_json=True)
    echo_err(f"{format_dead_letters(count)} written to {file}, with payloads. They are still on the queue.")
    report_sum(done.seen, {"written": count}, passed_over, unparsed=done.unparsed)
    report_unseen(queues.dead, depth, selector, seen=done.seen, complete=count != limit)
    report_missing(done.missing)
    if done.missing:
        raise typer.Exit(FAILED)


@on_stage
def import_(
    *,
    at: Target,
    file: Annotated[
        Path, typer.Argument(exists=True, dir_okay=False, help="A file that `export` or `purge` wrote.")
    ],
    from_line: Annotated[int, typer.Option("--from-line", min=1, help="Start at this line of the file.")] = 1,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    no_record: NoRecordOption = False,
) -> None:
    """Send the dead letters of a file to the dead-letter queue, each with its body, attributes and group.

    They get new message ids, and their retention starts again. The command prints each line that holds no message,
    or that SQS refuses, and continues; it stops when the queue refuses every message. A message that is imported
    twice is on the queue twice, but its intent takes effect once. FILE.part of an interrupted run is read up to
    its last complete line.
    """
    stage = at.open()
    queues = stage.queues()
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
        operation.counts = {"imported": last - from_line + 1 - failed, "failed": failed}

    spec = OperationSpec("import", {"file": str(file), "from_line": from_line}, stage)
    lines = (one for one in read_archive(file) if one[0] >= from_line)
    with (
        operations_database(at, database_url, no_record=no_record) as engine,
        recording(spec, engine) as operation,
    ):
        try:
            with progress_bar("importing", 0) as advance:
                count = import_letters(queues.dead, lines, on_failure=on_failure, on_line=on_line)
        except ArchiveError as error:
            raise Failure(f"{error}\nAll lines before line {last + 1} were imported") from error
        except BaseException:
            echo_err(
                f"stopped; all lines before line {last + 1} were imported: continue with --from-line {last + 1}"
            )
            raise
        operation.outcome = operations.FAILED if failed else operations.DONE
    echo_err(f"{count} sent to the dead-letter queue, {failed} failed")
    if failed:
        raise typer.Exit(FAILED)


@on_stage
@selection_options
def purge_(
    *,
    at: Target,
    chosen: Selection,
    everything: Annotated[bool, typer.Option("--all", help="Select all dead letters.")] = False,
    limit: Annotated[int | None, typer.Option("--limit", min=1, help="Delete at most this many.")] = None,
    backup: Annotated[
        Path | None,
        typer.Option(
            "--backup",
            help="The file to save them in. By default a new file in .penstock/backups, which git ignores.",
        ),
    ] = None,
    no_backup: Annotated[bool, typer.Option("--no-backup", help="Delete them without a backup.")] = False,
    yes: YesOption = False,
    no_input: NoInputOption = False,
    as_json: JsonOption = False,
    database_url: DatabaseOption = None,
    no_record: NoRecordOption = False,
) -> None:
    """Delete dead letters permanently, each one after it was written to a backup that `import` can read.

    The command asks you to type the name of the stage. It can be interrupted, and run again with another backup
    file: the deleted dead letters are in the backup, which is called FILE.part if the run did not finish.
    """
    selector = chosen.explicit_selector(everything=everything)
    if backup and no_backup:
        raise Failure("give either --backup FILE or --no-backup", USAGE)
    stage = at.open()
    queues = stage.queues()
    selector = look_up(selector, queues.dead, at)
    depth = queues.dead.depth()
    archive = None if no_backup else _create_archive(backup or default_backup(stage))
    what = "All" if everything else "The selected ones"
    what = what if limit is None else f"Up to {limit}"
    question = f"{what} of about {depth.total} dead letters will be deleted permanently."
    confirm_by_typing(stage.name, question, yes=yes, no_input=no_input, needs="a purge")
    if archive and not backup:
        make_backup_folder(archive.path.parent)
    selection = selector.describe() | {"limit": limit, "backup": str(archive and archive.path)}
    spec = OperationSpec("purge", selection, stage)
    passed_over, unparsed = PassedOver(), 0
    with (
        operations_database(at, database_url, no_record=no_record) as engine,
        recording(spec, engine) as operation,
    ):

        def on_deleted(deleted: list[DeadLetterMessage]) -> None:
            nonlocal unparsed
            for one in deleted:
                unparsed += not one.is_parsed
                _print_deleted(one, as_json=as_json)

        with progress_bar("purging", depth.total) as advance, _writing(archive) if archive else nullcontext():
            done = run_purge(
                queues.dead,
                selector,
                archive,
                operation,
                engine,
                limit=limit,
                on_deleted=on_deleted,
                on_page=advance,
                on_skip=passed_over.add,
            )
    report_sum(done.seen, operation.counts, passed_over, unparsed=unparsed)
    complete = done.deleted + sum(done.kept.values()) != limit
    report_unseen(queues.dead, depth, selector, seen=done.seen, complete=complete)
    _report_purge(done, archive)


def _print_deleted(one: DeadLetterMessage, *, as_json: bool) -> None:
    line = {"outcome": "deleted", "message_id": one.message.message_id, "id": one.id, "kind": one.kind}
    print_step(line, as_json=as_json)


def _report_purge(done: Purged, archive: Archive | None) -> None:
    """Report the backup and the failures on stderr; remove a backup that is empty.

    Raises:
        typer.Exit: a dead letter could not be deleted, or an id was not found.
    """
    if archive and (done.deleted or done.kept):
        echo_err(f"The backup is {archive.path}: `penstock dlq import` sends it to the dead-letter queue again.")
    elif archive:
        archive.path.unlink()
    for code, count in done.kept.items():
        in_backup = " The backup has them as well." if archive else ""
        echo_err(f"{count} not deleted: {code}.{in_backup} Run the command again.")
    report_missing(done.missing)
    if done.kept or done.missing:
        raise typer.Exit(FAILED)


@contextmanager
def _writing(archive: Archive) -> Iterator[Archive]:
    """Open an archive for writing; on an error or an interruption, report the partial file on stderr."""
    with archive:
        try:
            yield archive
        except BaseException:
            echo_err(f"the part written so far is in {archive.partial}, which `penstock dlq import` can read")
            raise


def _create_archive(path: Path) -> Archive:
    try:
        return Archive(path)
    except ArchiveError as error:
        raise Failure(str(error), CONFLICT if isinstance(error, ArchiveExists) else USAGE) from None
