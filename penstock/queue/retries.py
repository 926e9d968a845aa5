"""Batch calls to SQS: when they stop, how often they are retried, and how many run at once."""

import random
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Self, TypeAlias, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from penstock.queue.codec import refusal_of
from penstock.queue.concurrency import for_each
from penstock.queue.interface import DEADLINE_EXCEEDED, Refusal

T = TypeVar("T")

Numbered: TypeAlias = list[tuple[int, T]]
"""The entries of one call, each with its position."""

BatchCall: TypeAlias = Callable[[Numbered[T]], dict[int, Refusal]]
"""One call to SQS. It returns the refused entries by position."""

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class Deadline:
    """The time limit of one request, which may take several calls.

    Attributes:
        expires_at: the time after which no call starts, by the monotonic clock.
        connection_error: why the service did not respond; after that no call starts either.
    """

    expires_at: float
    connection_error: Refusal | None = None

    @classmethod
    def after(cls, seconds: float) -> Self:
        """Make a deadline that expires in `seconds` from now."""
        return cls(time.monotonic() + seconds)

    def refusal(self, pause: float = 0) -> Refusal | None:
        """Return why no call may start after a pause of this many seconds; None if one may."""
        late = time.monotonic() + pause >= self.expires_at
        return self.connection_error or (DEADLINE_EXCEEDED if late else None)


def call_batches(
    call: BatchCall[T], batches: Iterable[Numbered[T]], deadline: Deadline, *, threads: int = 1
) -> dict[int, Refusal]:
    """Call for each batch until the deadline; return the refused entries by position."""
    refused: dict[int, Refusal] = {}
    for_each(batches, lambda batch: refused.update(call_with_retry(call, batch, deadline)), threads)
    return refused


def call_with_retry(call: BatchCall[T], batch: Numbered[T], deadline: Deadline) -> dict[int, Refusal]:
    """Call for a batch, then retry its retryable refusals, with full jitter, until the deadline."""
    if refusal := deadline.refusal():
        return {index: refusal for index, _ in batch}
    refused = _call_once(call, batch, deadline)
    pause = _FIRST_PAUSE_SECONDS
    while (again := _retryable(refused)) and not deadline.refusal(pause):
        time.sleep(random.uniform(0, pause))  # noqa: S311 (jitter is no secret)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        refused = {index: refusal for index, refusal in refused.items() if index not in again}
        refused |= _call_once(call, [(index, item) for index, item in batch if index in again], deadline)
    return refused


def _retryable(refused: dict[int, Refusal]) -> set[int]:
    return {index for index, refusal in refused.items() if refusal.retryable}


def _call_once(call: BatchCall[T], batch: Numbered[T], deadline: Deadline) -> dict[int, Refusal]:
    try:
        return call(batch)
    except (ClientError, ParamValidationError) as error:
        return {index: refusal_of(error) for index, _ in batch}
    except BotoCoreError as error:
        # SQS does not respond, or there are no credentials. A further call would wait as long for the same error.
        deadline.connection_error = refusal_of(error)
        return {index: deadline.connection_error for index, _ in batch}
