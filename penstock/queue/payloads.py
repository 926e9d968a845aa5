"""The store of envelopes that are too large for a message: S3 or, for users' tests, memory."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import NamedTuple, Protocol
from uuid import uuid4

from penstock.queue.interface import Refusal

PAYLOAD_PATTERN = r"payloads/\d{4}-\d{2}-\d{2}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""The pattern of payload keys. No other object is read."""


_PARTS = 3


class PayloadError(Enum):
    """The kinds of error when a payload is read."""

    MISSING = "missing"
    """It does not exist: it has expired, or it was never stored."""
    SIZE_MISMATCH = "size mismatch"
    """The object does not have the expected size; it was not read."""
    DENIED = "denied"
    """The store does not know the caller or the bucket, or denies access."""
    UNAVAILABLE = "unavailable"
    """The store cannot be reached, throttles or fails, or the deadline expired before it was called."""


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """Why one payload could not be read.

    Attributes:
        error: the kind of error.
        code: the code of the service for it.
    """

    error: PayloadError
    code: str


class PayloadRef(NamedTuple):
    """A payload to read: its key, and its expected size in bytes."""

    key: str
    size: int


class Payloads(Protocol):
    """A bucket of payloads. Each has its own key and never changes.

    Both methods take `timeout_seconds`: after that time no call starts; a call that has started may still take
    some seconds. Neither method raises if the store cannot be reached.
    """

    @property
    def bucket(self) -> str:
        """The bucket's name."""

    def put(self, bodies: Mapping[str, bytes], *, timeout_seconds: float | None = None) -> dict[str, Refusal]:
        """Store bodies by key; return the refusals of those that were not acknowledged."""

    def get(
        self, refs: Set[PayloadRef], *, timeout_seconds: float | None = None
    ) -> dict[PayloadRef, bytes | FetchFailure]:
        """Read bodies. A body that does not have the expected size is not read."""


def new_key() -> str:
    """Make a key from the date, which helps people who look at the bucket, and a random UUID; no input is used."""
    return f"payloads/{datetime.now(UTC):%Y-%m-%d}/{uuid4()}"


def reference_to(bucket: str, key: str) -> str:
    """Return the URL by which a message refers to a payload: `s3://BUCKET/KEY`."""
    return f"s3://{bucket}/{key}"


def day_of(reference: str) -> date | None:
    """Return the day on which the payload of a reference was made, by its key; None if there is no such day."""
    parts = reference.rsplit("/", 2)
    try:
        return date.fromisoformat(parts[1]) if len(parts) == _PARTS else None
    except ValueError:
        return None


def key_in(bucket: str, reference: str) -> str | None:
    """Return the key in a message's reference; None if it is not the key of a payload in this bucket."""
    key = reference.removeprefix(reference_to(bucket, ""))
    is_own = key != reference and re.fullmatch(PAYLOAD_PATTERN, key, re.ASCII)
    return key if is_own else None
