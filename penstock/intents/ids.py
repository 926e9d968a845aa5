"""Ids of intents: new UUIDs, which sort by time; UUIDs derived from an idempotency key; ids of foreign events."""

import json
import os
import re
import time
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid5

_TIME_ORDERED = 7
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NAMESPACE = UUID("6e1a4a57-6e0f-5d0e-9c5f-0f4c2ad1b7c3")
_HYPHENATED = "[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"
_UUID = re.compile(rf"{_HYPHENATED}|[0-9A-Fa-f]{{32}}|\{{{_HYPHENATED}\}}|urn:uuid:{_HYPHENATED}")
"""The spellings of a UUID that Pydantic reads in an envelope."""


def new_id() -> UUID:
    """Make a version 7 UUID: milliseconds since the epoch, then 74 random bits (RFC 9562, section 5.7)."""
    milliseconds = time.time_ns() // 1_000_000
    random = int.from_bytes(os.urandom(10))
    return UUID(int=milliseconds << 80 | 7 << 76 | (random >> 68) << 64 | 2 << 62 | random & (1 << 62) - 1)


def time_of(id_: UUID) -> datetime | None:
    """Return when a version 7 UUID was made; None for another version, which contains no time."""
    if id_.version != _TIME_ORDERED:
        return None
    try:
        return _EPOCH + timedelta(milliseconds=id_.int >> 80)
    except OverflowError:
        return None


def derive_id(*, source: str, kind: str, tenant: str | None, key: str) -> UUID:
    """Derive an id from an idempotency key: equal arguments always give the same version 5 UUID."""
    return uuid5(_NAMESPACE, json.dumps([source, kind, tenant, key]))


def event_id(source: str, id_: str) -> UUID:
    """Return the id under which an event takes effect: its own if it is a UUID, else one of version 5.

    The latter is derived from the source and the id, which identify an event (CloudEvents, section "id").
    """
    return UUID(id_) if _UUID.fullmatch(id_) else uuid5(_NAMESPACE, json.dumps([source, id_]))
