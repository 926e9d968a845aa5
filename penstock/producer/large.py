"""The messages of one call. An intent larger than a message is put in a bucket before its message is sent."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from penstock.intents import encode_reference
from penstock.producer.errors import IntentTooLarge
from penstock.queue import (
    BEHIND_A_REFUSAL,
    MESSAGE_LIMIT_BYTES,
    Outgoing,
    Payloads,
    Queue,
    Refusal,
    new_key,
    reference_to,
)
from penstock.settings import Settings

FAULT_RESERVE_BYTES = 16_384
"""Kept free in every message, so that a dead letter has room for its fault."""

INTENT_LIMIT_BYTES = MESSAGE_LIMIT_BYTES - FAULT_RESERVE_BYTES
"""The largest size of an intent as a message."""

_TIMEOUT_SECONDS = 5.0
_HINT = (
    "larger intents, of up to PENSTOCK_PAYLOAD_LIMIT bytes, need an S3 bucket: set PENSTOCK_PAYLOAD_BUCKET for "
    "the producer and for the drain (docs/emitting.md, Large intents)"
)


def intent_limit(settings: Settings) -> int:
    """Return the largest size of an intent, in bytes: that of the bucket, if there is one, or of a message."""
    return settings.payload_limit if settings.payload_bucket else INTENT_LIMIT_BYTES


class SendBatch:
    """The messages of one call, and the large envelopes that some of them refer to.

    Attributes:
        messages: the messages.
        positions: for each message the positions of its intents in what was emitted, from 0.
    """

    def __init__(self, find_payloads: Callable[[], Payloads | None], limit: int) -> None:
        """Make an empty batch.

        Args:
            find_payloads: returns the bucket for large envelopes, or None. It is called for the first large one.
            limit: the largest size of an envelope in the bucket, in bytes.
        """
        self.messages: list[Outgoing] = []
        self.positions: list[Sequence[int]] = []
        self._find_payloads = find_payloads
        self._payloads: Payloads | None = None
        self._limit = limit
        self._keys: dict[int, str] = {}
        self._bodies: dict[str, bytes] = {}

    def add(self, message: Outgoing, positions: Sequence[int]) -> None:
        """Add a message. If it is too large for SQS, add a reference to its body instead, and keep the body.

        Args:
            message: the message.
            positions: the positions of its intents in what is emitted; several for a pack, which is never large.

        Raises:
            IntentTooLarge: the message is too large, and there is no bucket or its limit is exceeded.
        """
        if message.size > INTENT_LIMIT_BYTES:
            message = self._reference(message, positions[0])
        self.messages.append(message)
        self.positions.append(positions)

    def _reference(self, message: Outgoing, index: int) -> Outgoing:
        self._payloads = self._payloads or self._find_payloads()
        if self._payloads is None:
            error = IntentTooLarge(message.size, INTENT_LIMIT_BYTES, index=index)
            # A note, since clients of the API get the error's text: they cannot change a setting.
            error.add_note(_HINT)
            raise error
        body = message.body.encode()
        if len(body) > self._limit:
            raise IntentTooLarge(len(body), self._limit, index=index)
        key = new_key()
        self._keys[len(self.messages)] = key
        self._bodies[key] = body
        return replace(message, body=encode_reference(message.body, reference_to(self._payloads.bucket, key)))

    def send(self, queue: Queue, timeout_seconds: float | None) -> dict[int, Refusal]:
        """Put the large envelopes in the bucket, then send the messages whose envelopes are there.

        Args:
            queue: the queue to send to.
            timeout_seconds: for how many seconds calls are started; None is the default.

        Returns:
            The intents that were not acknowledged, by position.
        """
        refused = self._send(queue, timeout_seconds)
        found = {position: reason for index, reason in refused.items() for position in self.positions[index]}
        return dict(sorted(found.items()))

    def _send(self, queue: Queue, timeout_seconds: float | None) -> dict[int, Refusal]:
        """Send; return the refused messages by their place among the messages."""
        if self._payloads is None:
            return queue.send(self.messages, timeout_seconds=timeout_seconds)
        deadline = time.monotonic() + (_TIMEOUT_SECONDS if timeout_seconds is None else timeout_seconds)
        unsent = self._put(self._payloads, timeout_seconds)
        if queue.fifo:
            unsent |= _behind(self.messages, unsent)
        sendable = [index for index in range(len(self.messages)) if index not in unsent]
        refused = queue.send([self.messages[i] for i in sendable], timeout_seconds=deadline - time.monotonic())
        return unsent | {sendable[place]: reason for place, reason in refused.items()}

    def _put(self, payloads: Payloads, timeout_seconds: float | None) -> dict[int, Refusal]:
        refused = payloads.put(self._bodies, timeout_seconds=timeout_seconds)
        return {index: refused[key] for index, key in self._keys.items() if key in refused}


def _behind(messages: Sequence[Outgoing], refused: dict[int, Refusal]) -> dict[int, Refusal]:
    """Return the messages that must not be sent because an earlier one of their group was refused."""
    blocked_groups: set[str | None] = set()
    behind = {}
    for index, message in enumerate(messages):
        if index in refused:
            blocked_groups.add(message.group)
        elif message.group in blocked_groups:
            behind[index] = BEHIND_A_REFUSAL
    return behind
