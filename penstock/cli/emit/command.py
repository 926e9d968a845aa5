"""`penstock emit`: emit intents from a file, a pipe or an argument to the queue of a stage."""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from shutil import copyfileobj
from typing import Annotated, BinaryIO, Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from penstock.cli.emit.bulk import BulkEmit
from penstock.cli.emit.line_reader import LineReader
from penstock.cli.emit.ndjson import open_data
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.intents import ModulesOption, find_kind
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err, escape_control, print_line
from penstock.cli.support.stage import Stage
from penstock.encryption.kms import KmsKeys
from penstock.expressions.jmespath import BadExpression, Expression
from penstock.producer import Producer
from penstock.queue import SqsQueue, sqs_client
from penstock.queue.s3 import S3Payloads, s3_client
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
    unique to each object, such as an order's number, a second run writes nothing new.
    """
    reader = LineReader(find_kind(kind, module), _parse_key(key), tenant)
    with open_data(data) as stream:
        if dry_run:
            _dry_run(reader, stream)
        elif skip_bad:
            _emit(at.open(), reader, stream, None, as_json=as_json)
        else:
            with _seekable(stream) as source:
                total = _require_good(reader, source)
                _emit(at.open(), reader, source, total, as_json=as_json)


def _parse_key(key: str | None) -> Expression | None:
    try:
        return None if key is None else Expression(key)
    except BadExpression as error:
        raise Failure(f"--idempotency-key: {error}", USAGE) from None


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
    with _progress("checked", None, shown=True) as advance:

        def producer() -> Producer:
            return Producer(settings, MemoryQueue(), MemoryPayloads(), MemoryKeys())

        bulk = BulkEmit(reader, producer, advance=advance, on_failed=_print_failed)
        bulk.run(source)
    return bulk


def _emit(stage: Stage, reader: LineReader, source: BinaryIO, total: int | None, *, as_json: bool) -> None:
    """Emit the lines to the stage's queue and print the receipts.

    Raises:
        typer.Exit: a line was not emitted.
    """
    producer = _producer(stage)

    def on_emitted(number: int, id_: str, receipt: str) -> None:
        row = {"line": number, "id": id_, "receipt": receipt}
        print_line(row if as_json else row.values(), as_json=as_json)

    # On a terminal the receipts themselves show the progress.
    with _progress("emitted", total, shown=not sys.stdout.isatty()) as advance:
        bulk = BulkEmit(reader, lambda: producer, advance=advance, on_failed=_print_failed, on_emitted=on_emitted)
        try:
            bulk.run(source)
        except BaseException:
            echo_err(f"stopped; {bulk.emitted:,} emitted. {_next_line(bulk)}")
            raise
    echo_err(f"{bulk.emitted:,} emitted, {bulk.failed:,} failed")
    if bulk.stopped:
        echo_err(f"stopped: the queue accepts nothing ({bulk.stopped}). {_next_line(bulk)}")
    if bulk.failed or bulk.stopped:
        raise typer.Exit(FAILED)


def _producer(stage: Stage) -> Producer:
    """Make a producer with the queue, the receipt key and the bucket of the stage."""
    url, key = stage.outputs("QueueUrl", "ReceiptKeyArn")
    bucket = stage.optional_output("PayloadBucketName") or ""
    wrapping_key = stage.optional_output("EncryptionKeyArn") or ""
    settings = Settings(
        receipt_key=stage.secret(key),
        source=f"/{stage.service_name}",
        payload_bucket=bucket,
        encryption_key=wrapping_key,
    )
    payloads = S3Payloads(bucket, s3_client(stage.session, stage.endpoint_url)) if bucket else None
    keys = KmsKeys(wrapping_key, stage.client("kms")) if wrapping_key else None
    return Producer(settings, SqsQueue(url, sqs_client(stage.session, stage.endpoint_url)), payloads, keys)


def _next_line(bulk: BulkEmit) -> str:
    """Say which line to continue with, and which lines may have been sent already."""
    if not bulk.unconfirmed_to:
        return f"Continue with line {bulk.next_line:,}."
    return (
        f"Continue with line {bulk.next_line:,}. Some lines up to {bulk.unconfirmed_to:,} may be on the queue "
        "already: sending them again is safe with the same --idempotency-key."
    )


def _print_failed(number: int, reason: str) -> None:
    echo_err(f"line {number}: {escape_control(reason)}")


@contextmanager
def _progress(action: str, total: int | None, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """Show a progress bar on stderr if that is a terminal, and give the function that advances it."""
    with Progress(
        TextColumn("{task.completed:,.0f} {task.description}"),
        BarColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        disable=not (shown and sys.stderr.isatty()),
        transient=True,
        redirect_stdout=False,
    ) as bar:
        task = bar.add_task(action, total=total)
        yield lambda count: bar.advance(task, count)
