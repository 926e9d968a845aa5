"""Intents that are larger than a message: each rests in a bucket, before the message that refers to it is sent."""

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

LETTER_BYTES = 16_384
"""Kept free in every message, so that a dead letter has room for its reason."""

INTENT_LIMIT_BYTES = MESSAGE_LIMIT_BYTES - LETTER_BYTES
"""The most that an intent may take as a message."""

_PATIENCE_SECONDS = 5.0
_WAY_OUT = (
    "larger intents rest in an S3 bucket, up to PENSTOCK_PAYLOAD_LIMIT bytes each, if PENSTOCK_PAYLOAD_BUCKET "
    "names one to the producer and to the drain (docs/emitting.md, Large intents)"
)


def intent_limit(settings: Settings) -> int:
    """Return how many bytes an intent may take at all."""
    return settings.payload_limit if settings.payload_bucket else INTENT_LIMIT_BYTES


class SendBatch:
    """The messages of one call, and the envelopes that go before some of them."""

    def __init__(self, payloads: Callable[[], Payloads | None], limit: int) -> None:
        """Take what gives the place where large envelopes rest, and how many bytes one may take there."""
        self.messages: list[Outgoing] = []
        self._find = payloads
        self._payloads: Payloads | None = None
        self._limit = limit
        self._keys: dict[int, str] = {}
        self._bodies: dict[str, bytes] = {}

    def add(self, message: Outgoing) -> None:
        """Take a message, or what refers to it.

        Raises:
            IntentTooLarge: it is larger than a message, and there is no bucket, or not for that much.
        """
        if message.size > INTENT_LIMIT_BYTES:
            message = self._put_aside(message)
        self.messages.append(message)

    def _put_aside(self, message: Outgoing) -> Outgoing:
        self._payloads = self._payloads or self._find()
        if self._payloads is None:
            error = IntentTooLarge(message.size, INTENT_LIMIT_BYTES)
            # Not in its text, which clients are told: a setting is nothing that they could change.
            error.add_note(_WAY_OUT)
            raise error
        body = message.body.encode()
        if len(body) > self._limit:
            raise IntentTooLarge(len(body), self._limit)
        key = new_key()
        self._keys[len(self.messages)] = key
        self._bodies[key] = body
        return replace(message, body=encode_reference(message.body, reference_to(self._payloads.bucket, key)))

    def send(self, queue: Queue, timeout_seconds: float | None) -> dict[int, Refusal]:
        """Put the large envelopes, then send what may be sent; the positions returned were not kept."""
        if self._payloads is None:
            return queue.send(self.messages, timeout_seconds=timeout_seconds)
        until = time.monotonic() + (_PATIENCE_SECONDS if timeout_seconds is None else timeout_seconds)
        held = self._held(self._put(self._payloads, timeout_seconds), in_order=queue.fifo)
        free = [index for index in range(len(self.messages)) if index not in held]
        refused = queue.send([self.messages[i] for i in free], timeout_seconds=until - time.monotonic())
        return dict(sorted((held | {free[place]: reason for place, reason in refused.items()}).items()))

    def _put(self, payloads: Payloads, timeout_seconds: float | None) -> dict[int, Refusal]:
        refused = payloads.put(self._bodies, timeout_seconds=timeout_seconds)
        return {index: refused[key] for index, key in self._keys.items() if key in refused}

    def _held(self, refused: dict[int, Refusal], *, in_order: bool) -> dict[int, Refusal]:
        """Add what would overtake a refused one of its group, where the queue keeps an order."""
        return refused | _behind(self.messages, refused) if in_order else refused


def _behind(messages: Sequence[Outgoing], refused: dict[int, Refusal]) -> dict[int, Refusal]:
    stuck: set[str | None] = set()
    behind = {}
    for index, message in enumerate(messages):
        if index in refused:
            stuck.add(message.group)
        elif message.group in stuck:
            behind[index] = BEHIND_A_REFUSAL
    return behind
