"""The options of `emit`, and what follows from them for each intent: id, message group, delay, expiry."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Final, Generic, TypedDict, TypeVar
from uuid import UUID

from penstock.intents import WriteIntent, derive_id, kind_of
from penstock.intents.intent import oldest_name
from penstock.producer.errors import OrderingKeyError
from penstock.queue import Attribute, group_of
from penstock.queue.message import DELAY_ATTRIBUTE

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

MAX_DELAY: Final = timedelta(minutes=15)
"""The longest delay of a message (SQS: message timers)."""


class EmitOptions(TypedDict, total=False):
    """The options of `emit`; `penstock.producer.emit` documents them."""

    idempotency_key: str | None
    tenant: str | None
    ordering_key: str | None
    expires_at: datetime | None
    delay: timedelta | None
    timeout_seconds: float | None


class EmitManyOptions(TypedDict, Generic[I], total=False):
    """The options of `emit_many`; `penstock.producer.emit_many` documents them."""

    idempotency_key: Callable[[I], str | None] | None
    tenant: str | Callable[[I], str | None] | None
    ordering_key: str | Callable[[I], str | None] | None
    expires_at: datetime | Callable[[I], datetime | None] | None
    delay: timedelta | None
    timeout_seconds: float | None


@dataclass(frozen=True, slots=True)
class EmitCall(Generic[I]):
    """One call of `emit` or `emit_many`. Each key is one string for all intents, or a function of the intent.

    Attributes:
        source: the service that emits, a URI reference.
        fifo: whether the queue is a FIFO queue.
        idempotency_key: the caller's key.
        tenant: the tenant that the intents belong to.
        ordering_key: the key within which order is kept.
        expires_at: when the intents expire.
        delay: how long SQS hides them from the drain at first.
        timeout_seconds: for how many seconds calls to SQS and S3 are started; None is the queue's default.
    """

    source: str
    fifo: bool
    idempotency_key: str | Callable[[I], str | None] | None = None
    tenant: str | Callable[[I], str | None] | None = None
    ordering_key: str | Callable[[I], str | None] | None = None
    expires_at: datetime | Callable[[I], datetime | None] | None = None
    delay: timedelta | None = None
    timeout_seconds: float | None = None

    def id_of(self, intent: I) -> UUID:
        """Return the intent's own id, or the id derived from source, kind, tenant and idempotency key.

        Raises:
            ValueError: the idempotency key or the tenant is empty.
        """
        key = _value("idempotency_key", self.idempotency_key, intent)
        tenant = _value("tenant", self.tenant, intent)
        if key is None:
            return intent.intent_id
        # The oldest name of the kind: an id must not change when a kind is renamed.
        return derive_id(source=self.source, kind=oldest_name(intent), tenant=tenant, key=key)

    def group_of(self, intent: I) -> str | None:
        """Return the message group: the tenant on a standard queue, the ordering key on a FIFO queue.

        Raises:
            OrderingKeyError: a FIFO queue gets no ordering key, or a standard queue gets one.
            ValueError: the ordering key or the tenant is empty.
        """
        key = _value("ordering_key", self.ordering_key, intent)
        if self.fifo:
            key = key or _value("intent_ordering_key", intent.intent_ordering_key, intent)
        if self.fifo is (key is None):
            raise OrderingKeyError(kind_of(intent), fifo=self.fifo)
        group = key if self.fifo else _value("tenant", self.tenant, intent)
        return None if group is None else group_of(group)

    def expiry_of(self, intent: I) -> datetime | None:
        """Return when an intent expires; None if it does not.

        Raises:
            TypeError: it is no datetime.
            ValueError: the datetime has no time zone.
        """
        expiry = self.expires_at(intent) if callable(self.expires_at) else self.expires_at
        if expiry is None:
            return None
        if not isinstance(expiry, datetime):
            raise TypeError(f"expires_at must be a datetime with a time zone, not {type(expiry).__name__}")
        if expiry.tzinfo is None or expiry.utcoffset() is None:
            raise ValueError(
                "expires_at has no time zone: give one, such as datetime.now(UTC) + timedelta(minutes=5)"
            )
        return expiry

    def delay_seconds(self) -> int:
        """Return for how many seconds SQS delays the messages; a part of a second counts as a whole one.

        Raises:
            TypeError: the delay is no timedelta.
            ValueError: it is negative, or SQS does not have it.
        """
        if self.delay is None:
            return 0
        if not isinstance(self.delay, timedelta):
            raise TypeError(f"delay must be a timedelta, not {type(self.delay).__name__}")
        if self.delay < timedelta(0):
            raise ValueError("delay is negative")
        if self.delay and self.fifo:
            raise ValueError(
                "a FIFO queue cannot delay a single message (SQS: message timers): leave delay out, or delay all "
                "messages of the queue with its attribute DelaySeconds"
            )
        if self.delay > MAX_DELAY:
            raise ValueError(
                f"SQS delays a message by {MAX_DELAY.total_seconds():.0f} s at most: for a longer time let a "
                "schedule, such as one of EventBridge Scheduler, call what emits"
            )
        return math.ceil(self.delay.total_seconds())


def _value(name: str, option: str | Callable[[I], str | None] | None, intent: I) -> str | None:
    """Return an option's value for an intent. An empty key is refused: it would make many intents one."""
    value = option(intent) if callable(option) else option
    if value == "":
        raise ValueError(f"{name} is empty; leave it out, or give None, where there is none")
    return value


@cache
def message_attributes(kind: str, delay: int) -> dict[str, Attribute]:
    """Return the message attributes of a kind. All messages of the kind share them, which saves memory."""
    return {"type": Attribute(kind), **({DELAY_ATTRIBUTE: Attribute(str(delay), "Number")} if delay else {})}
