"""One run of `penstock emit` on a stage: its queue, its receipts, its progress."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from penstock.cli.emit.bulk import BulkEmit
from penstock.cli.emit.line_reader import LineReader
from penstock.cli.emit.pace import Pace
from penstock.cli.emit.progress_file import SUFFIX, ProgressFile, open_progress
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.output import echo_err, escape_control, print_line
from penstock.cli.support.stage import Stage
from penstock.encryption.kms import KmsKeys
from penstock.producer import Producer
from penstock.producer.addressing import EmitCall
from penstock.queue import Queue, SqsQueue, sqs_client
from penstock.queue.s3 import S3Payloads, s3_client
from penstock.settings import Settings


class Run:
    """A run on a stage."""

    def __init__(self, stage: Stage, *, as_json: bool) -> None:
        """Find the queue, the receipt key and the bucket of the stage.

        Raises:
            Failure: the stage lacks one of them.
        """
        self._stack = f"{stage.session.region_name} {stage.stack}"
        self._queue, self._producer = _open(stage)
        self._as_json = as_json

    def emit(
        self,
        reader: LineReader,
        source: BinaryIO,
        total: int | None,
        pace: Pace | None = None,
        progress: ProgressFile | None = None,
    ) -> None:
        """Emit the lines to the stage's queue and print the receipts.

        Raises:
            Failure: the queue has no such delay.
            typer.Exit: a line was not emitted.
        """
        check_delay(reader.delay, fifo=self._queue.fifo)
        # On a terminal the receipts themselves show the progress.
        with show_progress("emitted", total, shown=not sys.stdout.isatty()) as advance:
            bulk = BulkEmit(
                reader,
                lambda: self._producer,
                advance=advance,
                on_failed=print_failed,
                on_emitted=self._print_receipt,
                pace=pace,
                progress=progress,
            )
            try:
                bulk.run(source)
            except BaseException:
                echo_err(f"stopped; {bulk.emitted:,} emitted. {_how_to_go_on(bulk)}")
                raise
            finally:
                if progress:
                    progress.write(done=bulk.ended)
        echo_err(f"{bulk.emitted:,} emitted, {bulk.failed:,} failed")
        if bulk.stopped:
            what = "does not accept everything" if progress else "accepts nothing"
            echo_err(f"stopped: the queue {what} ({bulk.stopped}). {_how_to_go_on(bulk)}")
        if bulk.failed or bulk.stopped:
            raise typer.Exit(FAILED)

    def emit_slowly(
        self,
        reader: LineReader,
        source: BinaryIO,
        total: int | None,
        *,
        rate: float,
        max_waiting: int,
        file: Path | None,
    ) -> None:
        """Emit the lines at a rate. If they are those of a file, keep the progress beside it.

        Raises:
            Failure: the progress cannot be kept, or it is that of another run.
            typer.Exit: a line was not emitted.
        """
        pace = Pace(self._queue, rate, max_waiting, echo_err)
        if file is None:
            self.emit(reader, source, total, pace)
            return
        what = {
            "kind": reader.intent.intent_kind,
            "stack": self._stack,
            "idempotency_key": reader.key.text if reader.key else None,
            "tenant": reader.tenant,
        }
        with open_progress(source, file.with_name(file.name + SUFFIX), what) as progress:
            if progress.next_line > 1:
                echo_err(f"going on with line {progress.next_line:,}")
            self.emit(replace(reader, run=progress.run), source, total, pace, progress)

    def _print_receipt(self, number: int, id_: str, receipt: str) -> None:
        row = {"line": number, "id": id_, "receipt": receipt}
        print_line(row if self._as_json else row.values(), as_json=self._as_json)


def _open(stage: Stage) -> tuple[Queue, Producer]:
    """Return the queue of the stage, and a producer with its receipt key, its bucket and its encryption key."""
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
    queue = SqsQueue(url, sqs_client(stage.session, stage.endpoint_url))
    return queue, Producer(settings, queue, payloads, keys)


def check_delay(delay: timedelta | None, *, fifo: bool) -> None:
    """Check that SQS has a delay.

    Raises:
        Failure: it has not.
    """
    try:
        EmitCall("", fifo, delay=delay).delay_seconds()
    except ValueError as error:
        raise Failure(f"--delay: {error}", USAGE) from None


def _how_to_go_on(bulk: BulkEmit) -> str:
    """Say which line to continue with, and which lines may have been sent already."""
    if bulk.progress:
        return "Run the same command again to go on."
    if not bulk.unconfirmed_to:
        return f"Continue with line {bulk.next_line:,}."
    return (
        f"Continue with line {bulk.next_line:,}. Some lines up to {bulk.unconfirmed_to:,} may be on the queue "
        "already: sending them again is safe with the same --idempotency-key."
    )


def print_failed(number: int, reason: str) -> None:
    """Print on stderr why a line was not emitted."""
    echo_err(f"line {number}: {escape_control(reason)}")


@contextmanager
def show_progress(action: str, total: int | None, *, shown: bool) -> Iterator[Callable[[int], None]]:
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
