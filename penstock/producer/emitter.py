"""Emit: validate intents, hand them to SQS, and give a receipt for each that SQS acknowledged."""

from collections.abc import Callable, Iterable
from functools import cache, cached_property
from threading import Lock
from typing import TypeVar
from uuid import UUID

from penstock.intents import Receipt, WriteIntent, kind_of, seal, sign
from penstock.producer.addressing import Addressing
from penstock.producer.errors import NotAcknowledged, ReceiptKeyUnavailable
from penstock.producer.large import SendBatch
from penstock.producer.trace import Trace, current_trace
from penstock.queue import Attribute, Outgoing, Payloads, Queue, SqsQueue, payload_store
from penstock.settings import SecretUnavailable, Settings, resolve_secret

I = TypeVar("I", bound=WriteIntent)  # noqa: E741


class Producer:
    """Emits intents to one queue, in the name of one source. Threads may share it."""

    def __init__(self, settings: Settings, queue: Queue | None = None, payloads: Payloads | None = None) -> None:
        """Take the settings, and a queue and a bucket in place of those that they name.

        Raises:
            penstock.settings.SettingsError: a setting that emitting needs is missing.
        """
        settings.require("receipt_key", "source", *(["queue_url"] if queue is None else []))
        self._settings = settings
        self._queue = queue or SqsQueue(settings.queue_url)
        self._given_payloads = payloads

    def emit(
        self,
        intent: WriteIntent,
        *,
        idempotency_key: str | None = None,
        tenant: str | None = None,
        ordering_key: str | None = None,
        timeout_seconds: float | None = None,
    ) -> Receipt:
        """Emit one intent; see `penstock.producer.emit`."""
        addressing: Addressing[WriteIntent] = self._addressing(idempotency_key, tenant, ordering_key)
        (receipt,) = self._send([intent], addressing, timeout_seconds)
        return receipt

    def emit_many(
        self,
        intents: Iterable[I],
        *,
        idempotency_key: Callable[[I], str | None] | None = None,
        tenant: str | Callable[[I], str | None] | None = None,
        ordering_key: str | Callable[[I], str | None] | None = None,
        timeout_seconds: float | None = None,
    ) -> list[Receipt]:
        """Emit several intents; see `penstock.producer.emit_many`."""
        if isinstance(idempotency_key, str):
            raise TypeError(
                "one idempotency_key for all would make them one intent: give a function of the intent"
            )
        addressing = self._addressing(idempotency_key, tenant, ordering_key)
        return self._send(intents, addressing, timeout_seconds)

    def _addressing(
        self,
        idempotency_key: str | Callable[[I], str | None] | None,
        tenant: str | Callable[[I], str | None] | None,
        ordering_key: str | Callable[[I], str | None] | None,
    ) -> Addressing[I]:
        return Addressing(self._settings.source, self._queue.fifo, idempotency_key, tenant, ordering_key)

    def _send(
        self, intents: Iterable[I], addressing: Addressing[I], timeout_seconds: float | None
    ) -> list[Receipt]:
        """Send all, once each of them has turned out to be sendable."""
        trace = current_trace()
        ids: list[UUID] = []
        outbox = SendBatch(lambda: self._payloads, self._settings.payload_limit)
        # The intents are read one by one and let go: of each there remain its id and its text.
        for intent in intents:
            ids.append(id_ := addressing.id_of(intent))
            outbox.add(_message(intent, id_, addressing, trace))
        key = self._key()
        refused = outbox.send(self._queue, timeout_seconds)
        kept = {index: sign(id_, key) for index, id_ in enumerate(ids) if index not in refused}
        if refused:
            raise NotAcknowledged(kept, refused)
        return list(kept.values())

    @cached_property
    def _payloads(self) -> Payloads | None:
        """Where large intents rest; only what has one imports and makes what speaks to S3."""
        return self._given_payloads or payload_store(self._settings.payload_bucket)

    def _key(self) -> str:
        """Return the receipts' key; asked for before anything is sent, so that what is kept gets its receipt."""
        try:
            return resolve_secret(self._settings.receipt_key)
        except SecretUnavailable as error:
            raise ReceiptKeyUnavailable(str(error)) from error


def _message(intent: I, id_: UUID, addressing: Addressing[I], trace: Trace | None) -> Outgoing:
    return Outgoing(
        body=seal(intent, id=id_, source=addressing.source, traceparent=trace.traceparent if trace else None),
        attributes=_attributes(kind_of(intent)),
        group=addressing.group_of(intent),
        deduplication_id=str(id_) if addressing.fifo else None,
        trace=trace.header if trace else None,
    )


@cache
def _attributes(kind: str) -> dict[str, Attribute]:
    """Return the attributes of every message of a kind, which share them."""
    return {"type": Attribute(kind)}


_making = Lock()


def environment_producer() -> Producer:
    """Return the producer that the environment describes, made at the first call.

    Raises:
        penstock.settings.SettingsError: a variable is missing or bad.
    """
    with _making:
        return _made_once()


@cache
def _made_once() -> Producer:
    return Producer(Settings.from_environment())


def emit(
    intent: WriteIntent,
    *,
    idempotency_key: str | None = None,
    tenant: str | None = None,
    ordering_key: str | None = None,
    timeout_seconds: float | None = None,
) -> Receipt:
    """Emit one intent to the queue that the environment names. Returns once SQS has acknowledged it.

    Args:
        intent: what should be written.
        idempotency_key: a caller's key. The same key for the same kind and tenant is the same intent, however
            often it is emitted; without one the intent's own id is used, so that emitting the same object again
            is safe.
        tenant: whom the write is for. A standard queue serves its tenants fairly: who sends much waits for himself
            (SQS: fair queues). Two tenants may use the same idempotency key.
        ordering_key: for a FIFO queue: writes of the same key stay in the order in which they are emitted. Without
            one it is the intent's `intent_ordering_key`, if its class has such a property.
        timeout_seconds: for how long calls to SQS, and to S3, are begun; 5 s by default. A call may take
            some seconds more.

    Returns:
        The receipt: SQS has the intent.

    Raises:
        pydantic.ValidationError: a value cannot be stored (U+0000, a lone surrogate, NaN, infinity), or the
            intent was made without validation.
        ValueError: a key or the tenant is the empty text.
        IntentTooLarge: it does not fit in a message, nor in the bucket of large intents, if there is one.
        OrderingKeyError: a FIFO queue needs an ordering key, a standard queue takes none.
        ReceiptKeyUnavailable: the key that signs receipts cannot be read; nothing was sent.
        NotAcknowledged: SQS, or S3 before it, did not acknowledge it; it may be emitted again.
        penstock.settings.SettingsError: a setting is missing.
    """
    return environment_producer().emit(
        intent,
        idempotency_key=idempotency_key,
        tenant=tenant,
        ordering_key=ordering_key,
        timeout_seconds=timeout_seconds,
    )


def emit_many(
    intents: Iterable[I],
    *,
    idempotency_key: Callable[[I], str | None] | None = None,
    tenant: str | Callable[[I], str | None] | None = None,
    ordering_key: str | Callable[[I], str | None] | None = None,
    timeout_seconds: float | None = None,
) -> list[Receipt]:
    """Emit several intents to the queue that the environment names, in as few calls as SQS allows, 16 at once.

        emit_many(orders, idempotency_key=lambda order: str(order.order_id))

    Args:
        intents: what should be written. Nothing is sent before all of them have been validated; each is let go
            once it has been, so that of a generator's intents only their texts are in memory.
        idempotency_key: gives the caller's key of an intent; see `emit`.
        tenant: of all of them, or a function that gives that of an intent; see `emit`.
        ordering_key: of all of them, or a function that gives that of an intent; see `emit`.
        timeout_seconds: for how long calls to SQS are begun, for all of them together; 5 s by default.

    Returns:
        Their receipts, in order.

    Raises:
        pydantic.ValidationError: a value of one cannot be stored; nothing was sent.
        ValueError: a key or a tenant is the empty text; nothing was sent.
        IntentTooLarge: one does not fit in a message, nor in the bucket of large intents; nothing was sent.
        OrderingKeyError: a FIFO queue needs ordering keys, a standard queue takes none; nothing was sent.
        ReceiptKeyUnavailable: the key that signs receipts cannot be read; nothing was sent.
        NotAcknowledged: SQS did not acknowledge all of them; it says which were kept.
        penstock.settings.SettingsError: a setting is missing.
    """
    return environment_producer().emit_many(
        intents,
        idempotency_key=idempotency_key,
        tenant=tenant,
        ordering_key=ordering_key,
        timeout_seconds=timeout_seconds,
    )
