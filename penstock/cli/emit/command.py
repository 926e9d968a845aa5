"""`penstock emit`: write intents from a file, a pipe or an argument to the queue of a stage."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shutil import copyfileobj
from typing import Annotated, BinaryIO, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from penstock.cli.emit.bulk import Emission, LineReader
from penstock.cli.emit.ndjson import opened
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.intents import ModuleOption, intents_of
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import escape_control, print_line
from penstock.cli.support.stage import Stage
from penstock.expressions.jmespath import BadExpression, Expression
from penstock.intents import WriteIntent
from penstock.producer import Producer
from penstock.queue import SqsQueue, sqs_client
from penstock.queue.s3 import S3Payloads, s3_client
from penstock.settings import Settings
from penstock.testing import MemoryPayloads, MemoryQueue

EPILOG: Final = (
    'Examples: penstock emit stock.adjusted --data \'{"sku": "A1", "delta": -2}\' · '
    "penstock emit order.placed --data @orders.ndjson --idempotency-key order_id --stage dev · "
    "zcat orders.gz | penstock emit order.placed --data - --dry-run. "
    "Exit codes: 0 all emitted, 1 some not, 2 usage, 4 credentials, 130 interrupted."
)


@on_stage
def emit(
    *,
    at: Target,
    kind: Annotated[str, typer.Argument(metavar="KIND", help="The kind, or a name it had.")],
    data: Annotated[
        str, typer.Option("--data", help="JSON itself, @FILE, or - for stdin: an object, or one to a line.")
    ],
    key: Annotated[
        str | None,
        typer.Option("--idempotency-key", help="JMESPath over an object that yields its key, such as order_id."),
    ] = None,
    tenant: Annotated[str | None, typer.Option("--tenant", help="Whom all of it is for.")] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Emit the good lines at once, and leave the bad ones.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only look for bad lines.")] = False,
    module: ModuleOption = "shared.intents",
    as_json: JsonOption = False,
) -> None:
    """Emit intents of one kind, and print a line for each: the input's line number, the id, the receipt.

    All lines are looked at first: if one is bad, it is told with its field, and nothing is sent. With --skip-bad
    the input is read once, as it comes, and the others are sent.

    Without --idempotency-key each run states new intents: to run it again is to write it all again. With a key
    that every object has of its own, such as an order's number, a second run writes nothing new.
    """
    reading = LineReader(_kind(kind, module), _expression(key), tenant)
    with opened(data) as stream, _twice(stream, once=skip_bad or dry_run) as source:
        if dry_run:
            _end(_checked(reading, source))
            return
        total = None if skip_bad else _good(reading, source)
        _emit(at.open(), reading, source, total, as_json=as_json)


def _kind(kind: str, module: str) -> type[WriteIntent]:
    for intent in intents_of(module):
        if kind in (intent.intent_kind, *intent.intent_aliases):
            return intent
    raise Failure(f"{module} has no kind {kind!r}: `penstock intents list` shows them", USAGE)


def _expression(key: str | None) -> Expression | None:
    try:
        return None if key is None else Expression(key)
    except BadExpression as error:
        raise Failure(f"--idempotency-key: {error}", USAGE) from None


@contextmanager
def _twice(stream: BinaryIO, *, once: bool) -> Iterator[BinaryIO]:
    """Give what can be read twice: of a pipe a copy, on disk."""
    if once or stream.seekable():
        yield stream
        return
    with tempfile.TemporaryFile() as copy:
        copyfileobj(stream, copy)
        copy.seek(0)
        yield copy


def _good(reading: LineReader, source: BinaryIO) -> int:
    """Count the lines, all of which are good, and go back to the first.

    Raises:
        typer.Exit: one is bad.
    """
    start = source.tell()
    checked = _checked(reading, source)
    _end(checked, "; nothing was sent. --skip-bad sends the others")
    source.seek(start)
    return checked.kept


def _checked(reading: LineReader, source: BinaryIO) -> Emission:
    """Do as if all of it were emitted, without a queue."""
    settings = Settings(receipt_key="none", source="/none")
    with _progress("looked at", None, shown=True) as advance:

        def producer() -> Producer:
            return Producer(settings, MemoryQueue(), MemoryPayloads())

        emission = Emission(reading, producer, advance=advance, on_bad=_tell_bad)
        emission.run(source)
    return emission


def _emit(stage: Stage, reading: LineReader, source: BinaryIO, total: int | None, *, as_json: bool) -> None:
    producer = _producer(stage)

    def on_kept(number: int, id_: str, receipt: str) -> None:
        row = {"line": number, "id": id_, "receipt": receipt}
        print_line(row if as_json else row.values(), as_json=as_json)

    # On a terminal the lines themselves show how far it is.
    with _progress("emitted", total, shown=not sys.stdout.isatty()) as advance:
        emission = Emission(reading, lambda: producer, advance=advance, on_bad=_tell_bad, on_kept=on_kept)
        try:
            emission.run(source)
        except BaseException:
            _tell(f"stopped; {emission.kept:,} were emitted. {_rest(emission)}")
            raise
    _tell(f"{emission.kept:,} emitted, {emission.bad:,} not")
    if emission.stopped:
        _tell(f"given up: the queue takes nothing ({emission.stopped}). {_rest(emission)}")
    if emission.bad or emission.stopped:
        raise typer.Exit(FAILED)


def _producer(stage: Stage) -> Producer:
    """Make a producer such as the stage's functions have."""
    url, key = stage.outputs("QueueUrl", "ReceiptKeyArn")
    bucket = stage.optional_output("PayloadBucketName") or ""
    settings = Settings(receipt_key=stage.secret(key), source=f"/{stage.service_name}", payload_bucket=bucket)
    payloads = S3Payloads(bucket, s3_client(stage.session, stage.endpoint_url)) if bucket else None
    return Producer(settings, SqsQueue(url, sqs_client(stage.session, stage.endpoint_url)), payloads)


def _rest(emission: Emission) -> str:
    """Say where to go on, and what is not known of the lines under way."""
    if not emission.under_way:
        return f"Line {emission.next_line:,} is next."
    return (
        f"Line {emission.next_line:,} is next. Some up to line {emission.under_way:,} may be on the queue, too: "
        "to send them again is safe with the same --idempotency-key."
    )


def _end(emission: Emission, consequence: str = "") -> None:
    """Sum up what was looked at.

    Raises:
        typer.Exit: there are bad lines.
    """
    if emission.bad or not consequence:
        _tell(f"{emission.kept:,} good, {emission.bad:,} bad{consequence if emission.bad else ''}")
    if emission.bad:
        raise typer.Exit(FAILED)


def _tell_bad(number: int, fault: str) -> None:
    _tell(f"line {number}: {escape_control(fault)}")


def _tell(text: str) -> None:
    typer.echo(text, err=True)


@contextmanager
def _progress(done: str, total: int | None, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show on a terminal how far it is; stdout is left alone."""
    with Progress(
        TextColumn("{task.completed:,.0f} {task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not (shown and sys.stderr.isatty()),
        transient=True,
        redirect_stdout=False,
    ) as bar:
        task = bar.add_task(done, total=total)
        yield lambda count: bar.advance(task, count)
