"""Where the envelopes rest that are too large for a message: S3 in earnest, memory in users' tests."""

import re
from collections.abc import Mapping, Set
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import NamedTuple, Protocol
from uuid import uuid4

from penstock.queue.interface import Refusal

PAYLOAD_PATTERN = r"payloads/\d{4}-\d{2}-\d{2}/[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
"""What the key of every payload is like; nothing else is read."""


class PayloadError(Enum):
    """Why a payload could not be had."""

    MISSING = "missing"
    """It is not there: it has expired, or was never put."""
    WRONG_SIZE = "wrong size"
    """The object has another size than the reference says; it was not read."""
    DENIED = "denied"
    """The store knows the caller or the bucket not, or refuses them."""
    UNAVAILABLE = "unavailable"
    """The store cannot be reached, throttles or fails, or there was no time to call it."""


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """Why a payload could not be had, with the vendor's code for it."""

    error: PayloadError
    code: str


class PayloadRef(NamedTuple):
    """A payload to get: its key, and how many bytes it has to have."""

    key: str
    size: int


class Payloads(Protocol):
    """A bucket of payloads, each under a key of its own and never changed.

    Both methods take `timeout_seconds`: after that time no call is begun any more, and what is under way may
    still take seconds. Neither raises where the store is out of reach.
    """

    @property
    def bucket(self) -> str:
        """The bucket's name."""

    def put(self, bodies: Mapping[str, bytes], *, timeout_seconds: float | None = None) -> dict[str, Refusal]:
        """Keep bodies under their keys; the keys returned were not acknowledged."""

    def get(
        self, wanted: Set[PayloadRef], *, timeout_seconds: float | None = None
    ) -> dict[PayloadRef, bytes | FetchFailure]:
        """Read bodies; of what is not of the wanted size nothing is read."""


def new_key() -> str:
    """Make a key, of nothing that a caller says: the day, for who looks at the bucket, and a random UUID."""
    return f"payloads/{datetime.now(UTC):%Y-%m-%d}/{uuid4()}"


def reference_to(bucket: str, key: str) -> str:
    """Return what a message says to name a payload."""
    return f"s3://{bucket}/{key}"


def key_in(bucket: str, reference: str) -> str | None:
    """Return the key that a message names; None if it is not of a payload in this bucket."""
    key = reference.removeprefix(reference_to(bucket, ""))
    own = key != reference and re.fullmatch(PAYLOAD_PATTERN, key, re.ASCII)
    return key if own else None
