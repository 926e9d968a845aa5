"""Emitting a stream of lines in chunks. A bad line is reported and does not stop the others."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, TypeAlias

from pydantic import ValidationError

from penstock.cli.emit.line_reader import BadLine, IntentLine, LineReader, name_fields
from penstock.cli.emit.ndjson import read_lines
from penstock.cli.emit.pace import Pace
from penstock.cli.emit.progress_file import ProgressFile
from penstock.intents import Receipt
from penstock.producer import IntentTooLarge, NotAcknowledged, OrderingKeyError, Producer

_CHUNK_LINES = 500
_CHUNK_CHARACTERS = 4_000_000
_TIMEOUT_SECONDS = 30.0

OnFailed: TypeAlias = Callable[[int, str], None]
OnEmitted: TypeAlias = Callable[[int, str, str], None]


@dataclass(slots=True)
class BulkEmit:
    """One run over a stream of lines, with its counts.

    Attributes:
        reader: parses the lines.
        producer: returns the producer that emits a chunk.
        advance: called with the number of lines in each chunk that is done.
        on_failed: called for each line that is not emitted, with its number and the reason.
        on_emitted: called for each line that is emitted, in order, with its number, the id and the receipt.
        emitted: the number of lines that were emitted.
        failed: the number of lines that were not.
        next_line: the first line that is not done.
        unconfirmed_to: the last line of the chunk that is being sent; 0 between chunks.
        stopped: the error code that SQS returned for a whole chunk, which ended the run.
        ended: whether the run has come to the end of the input.
        pace: the pace of the run; None for as fast as possible.
        progress: keeps the progress. The run goes on from there, and ends with the first chunk that SQS does not
            acknowledge in full.
    """

    reader: LineReader
    producer: Callable[[], Producer]
    advance: Callable[[int], None]
    on_failed: OnFailed
    on_emitted: OnEmitted = lambda *_: None
    emitted: int = 0
    failed: int = 0
    next_line: int = 1
    unconfirmed_to: int = 0
    stopped: str | None = None
    ended: bool = False
    pace: Pace | None = None
    progress: ProgressFile | None = None

    def run(self, source: BinaryIO) -> None:
        """Emit all lines, or stop when SQS accepts no line of a chunk."""
        for chunk in self._chunks(source):
            if self.pace:
                self.pace.wait_for(len(chunk))
            self._send(chunk)
            self.advance(len(chunk))
            if self.stopped:
                return
            if self.progress:
                self.progress.advance(self.next_line)
        self.ended = True

    def _chunks(self, source: BinaryIO) -> Iterator[list[IntentLine]]:
        """Parse the lines, and yield them in chunks that fit into memory."""
        chunk: list[IntentLine] = []
        size = 0
        most = self.pace.chunk_size(_CHUNK_LINES) if self.pace else _CHUNK_LINES
        first = self.progress.next_line if self.progress else 1
        for line in read_lines(source):
            if line.number < first:
                continue
            try:
                parsed = self.reader.parse(line)
            except BadLine as error:
                self._fail(line.number, str(error))
                continue
            chunk.append(parsed)
            size += parsed.size
            if len(chunk) >= most or size >= _CHUNK_CHARACTERS:
                yield chunk
                chunk, size = [], 0
        if chunk:
            yield chunk

    def _send(self, chunk: Sequence[IntentLine]) -> None:
        """Emit a chunk. A line that cannot be sent is left out, and the others are sent."""
        self.next_line, self.unconfirmed_to = chunk[0].number, chunk[-1].number
        sendable = list(chunk)
        while sendable:
            unread = iter(sendable)
            try:
                receipts = self._emit(sendable, unread)
            except NotAcknowledged as error:
                self._record_each(sendable, error)
                break
            except (IntentTooLarge, OrderingKeyError, ValueError) as error:
                # Nothing was sent: `emit_many` stopped reading at the line that cannot be sent.
                bad = sendable.pop(-1 - len(list(unread)))
                self._fail(bad.number, name_fields(error) if isinstance(error, ValidationError) else str(error))
            else:
                for line, receipt in zip(sendable, receipts, strict=True):
                    self._succeed(line, receipt)
                break
        if not self.stopped:
            self.next_line, self.unconfirmed_to = chunk[-1].number + 1, 0

    def _emit(self, chunk: Sequence[IntentLine], unread: Iterator[IntentLine]) -> list[Receipt]:
        keys = {id(line.intent): line.key for line in chunk}
        return self.producer().emit_many(
            (line.intent for line in unread),
            idempotency_key=lambda intent: keys[id(intent)],
            tenant=self.reader.tenant,
            expires_at=self.reader.expires_at,
            delay=self.reader.delay,
            timeout_seconds=_TIMEOUT_SECONDS,
        )

    def _record_each(self, chunk: Sequence[IntentLine], error: NotAcknowledged) -> None:
        for index, line in enumerate(chunk):
            if index in error.sent:
                self._succeed(line, error.sent[index])
            else:
                self._fail(line.number, f"the queue did not acknowledge it: {error.failed[index].code}")
        retryable = [refusal for refusal in error.failed.values() if refusal.retryable]
        if not error.sent or (self.progress and retryable):
            self.stopped = (retryable or list(error.failed.values()))[0].code

    def _succeed(self, line: IntentLine, receipt: Receipt) -> None:
        self.emitted += 1
        self.on_emitted(line.number, str(receipt.id), str(receipt))

    def _fail(self, number: int, reason: str) -> None:
        self.failed += 1
        self.on_failed(number, reason)
