"""How an intent is addressed: the id that it takes effect under, and the message group that it travels in."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar
from uuid import UUID

from penstock.intents import WriteIntent, derive_id, kind_of
from penstock.producer.errors import OrderingKeyError
from penstock.queue import group_of

I = TypeVar("I", bound=WriteIntent)  # noqa: E741


@dataclass(frozen=True, slots=True)
class Addressing(Generic[I]):
    """What the caller says of the intents of one call: texts for all of them, or functions of each.

    Attributes:
        source: who emits them.
        fifo: whether the queue keeps the order within a group.
        idempotency_key: the caller's key.
        tenant: whom the work is for.
        ordering_key: what belongs in one order.
    """

    source: str
    fifo: bool
    idempotency_key: str | Callable[[I], str | None] | None = None
    tenant: str | Callable[[I], str | None] | None = None
    ordering_key: str | Callable[[I], str | None] | None = None

    def id_of(self, intent: I) -> UUID:
        """Return the id: the intent's own, or one derived from source, kind, tenant and the caller's key.

        Raises:
            ValueError: a key or a tenant is empty.
        """
        key = _said("idempotency_key", self.idempotency_key, intent)
        tenant = _said("tenant", self.tenant, intent)
        if key is None:
            return intent.intent_id
        return derive_id(
            source=self.source, kind=(*intent.intent_aliases, kind_of(intent))[0], tenant=tenant, key=key
        )

    def group_of(self, intent: I) -> str | None:
        """Return the message group: the tenant on a standard queue, the ordering key on a FIFO queue.

        Raises:
            OrderingKeyError: a FIFO queue gets no ordering key, or a standard one is given one.
            ValueError: a key or a tenant is empty.
        """
        key = _said("ordering_key", self.ordering_key, intent)
        if self.fifo:
            key = key or _said("intent_ordering_key", intent.intent_ordering_key, intent)
        if self.fifo is (key is None):
            raise OrderingKeyError(kind_of(intent), fifo=self.fifo)
        group = key if self.fifo else _said("tenant", self.tenant, intent)
        return None if group is None else group_of(group)


def _said(name: str, word: str | Callable[[I], str | None] | None, intent: I) -> str | None:
    """Return what a word says of an intent; an empty text is nobody's and would make one of what are many."""
    text = word(intent) if callable(word) else word
    if text == "":
        raise ValueError(f"{name} is empty; leave it out, or give None, where there is none")
    return text
