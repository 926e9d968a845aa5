"""Parsing a line into a write intent with its idempotency key."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from pydantic import ValidationError

from penstock.cli.emit.ndjson import InputLine
from penstock.expressions.exact_json import ExactJsonError, Number, read
from penstock.expressions.jmespath import EvaluationError, Expression
from penstock.intents import WriteIntent
from penstock.intents.exact_numbers import read_exactly
from penstock.producer.http.bodies import field_errors

_MAX_FIELDS = 10
"""The most invalid fields that the error of a line names."""


class BadLine(Exception):
    """A line is not an intent. The message names fields and shows no value."""


class IntentLine(NamedTuple):
    """A line that is an intent.

    Attributes:
        number: the line's number.
        intent: the intent.
        key: its idempotency key.
        size: the length of the line's text, in characters.
    """

    number: int
    intent: WriteIntent
    key: str | None
    size: int


@dataclass(frozen=True, slots=True)
class LineReader:
    """Parses lines into intents.

    Attributes:
        intent: the class of the intents.
        key: the expression that yields an object's idempotency key.
        tenant: the tenant of every intent.
        expires_at: when every intent expires.
        delay: for how long the queue hides every intent at first.
        run: the id of the run, from which the keys of the lines are derived if there is no expression; None if
            each line is a new intent whenever it is parsed.
    """

    intent: type[WriteIntent]
    key: Expression | None
    tenant: str | None
    expires_at: datetime | None = None
    delay: timedelta | None = None
    run: str | None = None

    def parse(self, line: InputLine) -> IntentLine:
        """Parse a line.

        Raises:
            BadLine: the line is not an intent, or has no key.
        """
        if line.text is None:
            raise BadLine(line.fault)
        try:
            intent = read_exactly(self.intent.model_validate_json, line.text, self.intent)
        except ValidationError as error:
            raise BadLine(name_fields(error)) from None
        except Exception as error:  # noqa: BLE001 (the service's own validators may raise anything)
            raise BadLine(f"a validator failed: {type(error).__name__}") from None
        return IntentLine(line.number, intent, self._key(line.text, line.number), len(line.text))

    def _key(self, text: str, number: int) -> str | None:
        if self.key is None:
            return None if self.run is None else f"penstock emit {self.run} {number}"
        try:
            key = self.key.evaluate(read(text))
        except (EvaluationError, ExactJsonError) as error:
            raise BadLine(f"no idempotency key: {error}") from None
        if isinstance(key, Number):
            return key.text
        if isinstance(key, bool) or not isinstance(key, str | int) or key == "":
            raise BadLine("no idempotency key: the expression yields neither text nor a number")
        return str(key)


def name_fields(error: ValidationError) -> str:
    """Name the invalid fields, each with the validator's error code."""
    found: list[dict[str, Any]] = list(field_errors(error))
    named = [f"{fault['field']} {fault['code']}".strip() for fault in found[:_MAX_FIELDS]]
    return ", ".join([*named, f"and {len(found) - _MAX_FIELDS} more"] if len(found) > _MAX_FIELDS else named)
