"""`penstock emit`: emit intents from a file, a pipe or an argument to the queue of a stage."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime, timedelta
from shutil import copyfileobj
from typing import Annotated, BinaryIO, Final

import typer

from penstock.cli.emit.bulk import BulkEmit
from penstock.cli.emit.line_reader import LineReader
from penstock.cli.emit.ndjson import file_of, open_data
from penstock.cli.emit.pace import MAX_WAITING
from penstock.cli.emit.run import Run, check_delay, print_failed, show_progress
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.intents import ModulesOption, find_kind
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.times import parse_duration, parse_when
from penstock.expressions.jmespath import BadExpression, Expression
from penstock.producer import Producer
from penstock.settings import Settings
from penstock.testing import MemoryKeys, MemoryPayloads, MemoryQueue

EPILOG: Final = (
    'Examples: penstock emit stock.adjusted --data \'{"sku": "A1", "delta": -2}\' · '
    "penstock emit order.placed --data @orders.ndjson --idempotency-key order_id --stage dev · "
    "zcat orders.gz | penstock emit order.placed --data - --dry-run. "
    "Exit codes: 0 all emitted, 1 some not emitted, 2 wrong usage, 4 wrong credentials, 130 interrupted."
)


@on_stage
def emit(
    *,
    at: Target,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The kind, or one of its aliases.")],
    data: Annotated[
        str,
        typer.Option("--data", help="JSON, @FILE, or - for stdin: a single object, or one object on each line."),
    ],
    key: Annotated[
        str | None,
        typer.Option(
            "--idempotency-key", help="The JMESPath expression of an object's idempotency key, such as order_id."
        ),
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="The tenant of every intent.")] = None,
    expires_at: Annotated[
        str | None,
        typer.Option(
            "--expires-at",
            help="Intents that are taken up after this time are not written: 2026-11-20T10:00:00Z, or a duration "
            "from now: 15m, 2h.",
        ),
    ] = None,
    delay: Annotated[
        str | None,
        typer.Option("--delay", help="Hide every intent from the drain for so long at first: 90s, 15m at most."),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(
            "--rate",
            min=0.01,
            max=1e6,
            help="Emit at most this many per second, and pause while the queue is busy. With a file, the progress "
            "is kept beside it, and a second run goes on from there.",
        ),
    ] = None,
    max_waiting: Annotated[
        int | None,
        typer.Option(
            "--max-waiting",
            min=0,
            help=f"With --rate: pause while more messages than this wait on the queue; by default {MAX_WAITING}.",
        ),
    ] = None,
    skip_bad: Annotated[
        bool,
        typer.Option("--skip-bad", help="Skip bad lines: emit the good ones without checking all lines first."),
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Check all lines; emit nothing.")] = False,
    module: ModulesOption = None,
    as_json: JsonOption = False,
) -> None:
    """Emit intents of one kind, and print a line for each: the input's line number, the id, the receipt.

    All lines are checked first. If one is bad, its number and its fields are printed, and nothing is sent. With
    --skip-bad the input is read once, as it arrives, and the good lines are sent.

    Without --idempotency-key each run makes new intents: a second run writes everything again. With a key that is
    unique to each object, such as an order's number, a second run writes nothing new. With --rate and a file, the
    same command goes on after an interruption, without doubles.
    """
    if max_waiting is not None and rate is None:
        raise Failure("--max-waiting goes with --rate", USAGE)
    reader = LineReader(
        find_kind(kind, module),
        _parse_key(key),
        tenant,
        expires_at=_parse_expiry(expires_at),
        delay=_parse_delay(delay),
    )
    with open_data(data) as stream:
        if dry_run:
            _dry_run(reader, stream)
            return
        with nullcontext(stream) if skip_bad and rate is None else _seekable(stream) as source:
            total = None if skip_bad else _require_good(reader, source)
            run = Run(at.open(), as_json=as_json)
            if rate is None:
                run.emit(reader, source, total)
            else:
                limit = MAX_WAITING if max_waiting is None else max_waiting
                run.emit_slowly(reader, source, total, rate=rate, max_waiting=limit, file=file_of(data))


def _parse_key(key: str | None) -> Expression | None:
    try:
        return None if key is None else Expression(key)
    except BadExpression as error:
        raise Failure(f"--idempotency-key: {error}", USAGE) from None


def _parse_expiry(text: str | None) -> datetime | None:
    """Parse the value of --expires-at.

    Raises:
        Failure: it is no time, or it has passed.
    """
    if text is None:
        return None
    now = datetime.now(UTC)
    expiry = parse_when(text, now, ahead=True)
    if expiry <= now:
        raise Failure(f"--expires-at {text} has passed: nothing would be written", USAGE)
    return expiry


def _parse_delay(text: str | None) -> timedelta | None:
    """Parse the value of --delay.

    Raises:
        Failure: it is no duration, or one that SQS does not have.
    """
    delay = None if text is None else parse_duration(text)
    check_delay(delay, fifo=False)
    return delay


def _dry_run(reader: LineReader, source: BinaryIO) -> None:
    """Check all lines and print the counts.

    Raises:
        typer.Exit: a line is bad.
    """
    checked = _check(reader, source)
    echo_err(f"{checked.emitted:,} good, {checked.failed:,} bad")
    if checked.failed:
        raise typer.Exit(FAILED)


@contextmanager
def _seekable(stream: BinaryIO) -> Iterator[BinaryIO]:
    """Give a stream that can be read twice: a pipe is copied to a temporary file."""
    if stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def _require_good(reader: LineReader, source: BinaryIO) -> int:
    """Check all lines, go back to the first, and return how many there are.

    Raises:
        typer.Exit: a line is bad.
    """
    start = source.tell()
    checked = _check(reader, source)
    if checked.failed:
        echo_err(
            f"{checked.emitted:,} good, {checked.failed:,} bad; nothing was sent. --skip-bad sends the good lines"
        )
        raise typer.Exit(FAILED)
    source.seek(start)
    return checked.emitted


def _check(reader: LineReader, source: BinaryIO) -> BulkEmit:
    """Emit all lines to a queue in memory."""
    settings = Settings(receipt_key="none", source="/none")
    with show_progress("checked", None, shown=True) as advance:

        def producer() -> Producer:
            return Producer(settings, MemoryQueue(), MemoryPayloads(), MemoryKeys())

        bulk = BulkEmit(reader, producer, advance=advance, on_failed=print_failed)
        bulk.run(source)
    return bulk
