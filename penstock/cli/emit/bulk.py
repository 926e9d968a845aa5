"""Emitting a stream of lines, a part at a time: what is wrong with one is told, and leaves the others alone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, NamedTuple, TypeAlias

from pydantic import ValidationError

from penstock.cli.emit.ndjson import InputLine, read_lines
from penstock.expressions.exact_json import ExactJsonError, Number, read
from penstock.expressions.jmespath import EvaluationError, Expression
from penstock.intents import Receipt, WriteIntent
from penstock.producer import IntentTooLarge, NotAcknowledged, OrderingKeyError, Producer
from penstock.producer.http.bodies import field_errors

_PART = 500
_PART_BYTES = 4_000_000
_PATIENCE_SECONDS = 30.0
_NAMED = 10
"""The most wrong fields of a line that are told."""

OnBad: TypeAlias = Callable[[int, str], None]
OnKept: TypeAlias = Callable[[int, str, str], None]


class BadLine(Exception):
    """A line is no intent; the text names fields and shows no value."""


class Stated(NamedTuple):
    """One line as an intent.

    Attributes:
        number: the line's.
        intent: what it states.
        key: its idempotency key.
        size: of its text, in characters.
    """

    number: int
    intent: WriteIntent
    key: str | None
    size: int


@dataclass(frozen=True, slots=True)
class LineReader:
    """How lines are read.

    Attributes:
        intent: the class of intents.
        key: yields an object's idempotency key.
        tenant: whom all of it is for.
    """

    intent: type[WriteIntent]
    key: Expression | None
    tenant: str | None

    def of(self, line: InputLine) -> Stated:
        """Read a line.

        Raises:
            BadLine: it is no intent, or has no key.
        """
        if line.text is None:
            raise BadLine(line.fault)
        try:
            intent = self.intent.model_validate_json(line.text)
        except ValidationError as error:
            raise BadLine(_wrong(error)) from None
        except Exception as error:  # noqa: BLE001 (a validator of the service's own may raise anything)
            raise BadLine(f"a validator failed: {type(error).__name__}") from None
        return Stated(line.number, intent, self._key(line.text), len(line.text))

    def _key(self, text: str) -> str | None:
        if self.key is None:
            return None
        try:
            key = self.key.evaluate(read(text))
        except (EvaluationError, ExactJsonError) as error:
            raise BadLine(f"no idempotency key: {error}") from None
        if isinstance(key, Number):
            return key.text
        if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
            raise BadLine("no idempotency key: the expression yields neither text nor number")
        return str(key)


@dataclass(slots=True)
class Emission:
    """A run.

    Attributes:
        reading: how lines are read.
        producer: gives what emits a part.
        advance: called with how many lines were dealt with.
        on_bad: called for each line that is not emitted.
        on_kept: called for each that is, in order.
        kept: how many were.
        bad: how many were not.
        next_line: the first line that has not been dealt with.
        under_way: the last line of the part that is being sent; 0 between parts.
        stopped: why the queue takes nothing any more.
    """

    reading: LineReader
    producer: Callable[[], Producer]
    advance: Callable[[int], None]
    on_bad: OnBad
    on_kept: OnKept = lambda *_: None
    kept: int = 0
    bad: int = 0
    next_line: int = 1
    under_way: int = 0
    stopped: str | None = None

    def run(self, source: BinaryIO) -> None:
        """Emit all lines, or as many as the queue takes."""
        for part in self._parts(source):
            self._send(part)
            self.advance(len(part))
            if self.stopped:
                return

    def _parts(self, source: BinaryIO) -> Iterator[list[Stated]]:
        """Cut the lines into parts that fit into memory."""
        part: list[Stated] = []
        size = 0
        for line in read_lines(source):
            try:
                stated = self.reading.of(line)
            except BadLine as error:
                self._leave(line.number, str(error))
                continue
            part.append(stated)
            size += stated.size
            if len(part) >= _PART or size >= _PART_BYTES:
                yield part
                part, size = [], 0
        if part:
            yield part

    def _send(self, part: Sequence[Stated]) -> None:
        self.next_line, self.under_way = part[0].number, part[-1].number
        try:
            for stated, receipt in zip(part, self._emitted(part), strict=True):
                self._keep(stated, receipt)
        except NotAcknowledged as error:
            self._keep_some(part, error)
        except (IntentTooLarge, OrderingKeyError, ValueError) as error:
            # Nothing of the part was sent: find out which.
            self._send_apart(part, error)
        if not self.stopped:
            self.next_line, self.under_way = part[-1].number + 1, 0

    def _send_apart(self, part: Sequence[Stated], error: Exception) -> None:
        if len(part) == 1:
            self._leave(part[0].number, _wrong(error) if isinstance(error, ValidationError) else str(error))
            return
        middle = len(part) // 2
        for half in (part[:middle], part[middle:]):
            if not self.stopped:
                self._send(half)

    def _emitted(self, part: Sequence[Stated]) -> list[Receipt]:
        keys = {id(stated.intent): stated.key for stated in part}
        return self.producer().emit_many(
            [stated.intent for stated in part],
            idempotency_key=lambda intent: keys[id(intent)],
            tenant=self.reading.tenant,
            timeout_seconds=_PATIENCE_SECONDS,
        )

    def _keep_some(self, part: Sequence[Stated], error: NotAcknowledged) -> None:
        for index, stated in enumerate(part):
            if index in error.sent:
                self._keep(stated, error.sent[index])
            else:
                self._leave(stated.number, f"the queue did not acknowledge it: {error.failed[index].code}")
        if not error.sent:
            self.stopped = next(iter(error.failed.values())).code

    def _keep(self, stated: Stated, receipt: Receipt) -> None:
        self.kept += 1
        self.on_kept(stated.number, str(receipt.id), str(receipt))

    def _leave(self, number: int, fault: str) -> None:
        self.bad += 1
        self.on_bad(number, fault)


def _wrong(error: ValidationError) -> str:
    """Name the wrong fields, each with the validator's word."""
    found: list[dict[str, Any]] = list(field_errors(error))
    named = [f"{fault['field']} {fault['code']}".strip() for fault in found[:_NAMED]]
    return ", ".join([*named, f"and {len(found) - _NAMED} more"] if len(found) > _NAMED else named)
