"""Calling SQS for batch after batch: how long, how often, and how many at once."""

import random
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeVar

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

from penstock.queue.codec import refusal_of
from penstock.queue.concurrency import for_each
from penstock.queue.interface import DEADLINE_EXCEEDED, Refusal
from penstock.queue.message import BATCH_LIMIT

T = TypeVar("T")

Chunk: TypeAlias = list[tuple[int, T]]
"""What one call carries, with the position of each."""

Call: TypeAlias = Callable[[Chunk[T]], dict[int, Refusal]]
"""One call to SQS: it returns what was refused, by position."""

_FIRST_PAUSE_SECONDS = 0.05
_LONGEST_PAUSE_SECONDS = 1.0


@dataclass(slots=True)
class Deadline:
    """How long one request may go on.

    Attributes:
        deadline: when no call is begun any more, by the monotonic clock.
        silence: how the queue failed to answer at all; then no call is begun any more either.
    """

    deadline: float
    silence: Refusal | None = None

    def ended(self, pause: float = 0) -> Refusal | None:
        """Return why no call may be begun after a pause, in seconds; None if one may."""
        late = time.monotonic() + pause >= self.deadline
        return self.silence or (DEADLINE_EXCEEDED if late else None)


def in_chunks(
    call: Call[T], numbered_chunks: Iterable[Chunk[T]], patience: Deadline, *, threads: int = 1
) -> dict[int, Refusal]:
    """Call for chunk after chunk, as long as there is time and somebody answers."""
    refused: dict[int, Refusal] = {}

    def serve(chunk: Chunk[T]) -> None:
        refused.update(served(call, chunk, patience))

    for_each(numbered_chunks, serve, threads)
    return refused


def chunked(things: Sequence[T]) -> Iterable[Chunk[T]]:
    """Number things and cut them into batches of ten."""
    numbered = list(enumerate(things))
    return (numbered[start : start + BATCH_LIMIT] for start in range(0, len(numbered), BATCH_LIMIT))


def served(call: Call[T], chunk: Chunk[T], patience: Deadline) -> dict[int, Refusal]:
    """Call for a chunk, unless patience has ended."""
    ended = patience.ended()
    return {i: ended for i, _ in chunk} if ended else _persistently(call, chunk, patience)


def _persistently(call: Call[T], chunk: Chunk[T], patience: Deadline) -> dict[int, Refusal]:
    """Call for a chunk, then for its retryable refusals alone, with full jitter, until patience ends."""
    refused = _attempt(call, chunk, patience)
    pause = _FIRST_PAUSE_SECONDS
    while _again(refused) and not patience.ended(pause):
        time.sleep(random.uniform(0, pause))  # noqa: S311 (jitter is no secret)
        pause = min(pause * 2, _LONGEST_PAUSE_SECONDS)
        again = _again(refused)
        refused = {i: r for i, r in refused.items() if i not in again}
        refused |= _attempt(call, [(i, thing) for i, thing in chunk if i in again], patience)
    return refused


def _again(refused: dict[int, Refusal]) -> set[int]:
    return {index for index, refusal in refused.items() if refusal.retryable}


def _attempt(call: Call[T], chunk: Chunk[T], patience: Deadline) -> dict[int, Refusal]:
    try:
        return call(chunk)
    except (ClientError, ParamValidationError) as error:
        return {index: refusal_of(error) for index, _ in chunk}
    except BotoCoreError as error:
        # Nobody answers, or nobody lets us ask. The next chunk would wait as long for the same.
        patience.silence = refusal_of(error)
        return {index: patience.silence for index, _ in chunk}
