"""Emit: validate intents, send them to SQS, and return a receipt for each that SQS acknowledged."""

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar, Unpack
from uuid import UUID

from penstock.intents import Receipt, WriteIntent, encode_envelope, kind_of, sign
from penstock.intents.receipt_keys import signing_key
from penstock.intents.sealed import Seal
from penstock.metrics.recording import recording
from penstock.producer.addressing import EmitCall, EmitManyOptions, EmitOptions, message_attributes
from penstock.producer.errors import EncryptionUnavailable, NotAcknowledged, ReceiptKeyUnavailable
from penstock.producer.large import SendBatch
from penstock.producer.measuring import measure_emit
from penstock.producer.packing import Packing
from penstock.producer.trace import Trace, current_trace
from penstock.queue import Outgoing, Payloads, Queue, SqsQueue, payload_store
from penstock.settings import SecretUnavailable, Settings, SettingsError

if TYPE_CHECKING:
    from penstock.encryption.keys import KeyService

I = TypeVar("I", bound=WriteIntent)  # noqa: E741


class Producer:
    """Emits intents to one queue, as one source. Threads may share it."""

    def __init__(
        self,
        settings: Settings,
        queue: Queue | None = None,
        payloads: Payloads | None = None,
        keys: "KeyService | None" = None,
    ) -> None:
        """Make a producer.

        Args:
            settings: the settings.
            queue: the queue to use instead of the one that the settings name.
            payloads: the bucket for large intents to use instead of the one that the settings name.
            keys: the key service for `Sensitive` fields to use instead of the KMS key that the settings name.

        Raises:
            penstock.settings.SettingsError: a setting that emitting needs is missing.
        """
        settings.require("receipt_key", "source", *(["queue_url"] if queue is None else []))
        self._settings = settings
        self._queue = queue or SqsQueue(settings.queue_url)
        self._given_payloads = payloads
        self._given_keys = keys

    def emit(self, intent: WriteIntent, **options: Unpack[EmitOptions]) -> Receipt:
        """Emit one intent; see `penstock.producer.emit`."""
        (receipt,) = self._emit([intent], EmitCall(self._settings.source, self._queue.fifo, **options))
        return receipt

    def emit_many(self, intents: Iterable[I], **options: Unpack[EmitManyOptions[I]]) -> list[Receipt]:
        """Emit several intents; see `penstock.producer.emit_many`."""
        if isinstance(options.get("idempotency_key"), str):
            raise TypeError(
                "one idempotency_key for all would make them one intent: give a function of the intent"
            )
        call = EmitCall(self._settings.source, self._queue.fifo, **options)
        return self._emit(intents, call, pack_limit=self._settings.pack_limit)

    def _emit(self, intents: Iterable[I], call: EmitCall[I], *, pack_limit: int = 0) -> list[Receipt]:
        """Validate and encode every intent, then send them all, then sign a receipt for each."""
        trace, delay = current_trace(), call.delay_seconds()
        ids: list[UUID] = []
        batch = SendBatch(lambda: self._payloads, self._settings.payload_limit)
        packing = Packing(batch, call, trace, self._seal, pack_limit)
        # Read one intent at a time and keep none of them: only their ids and messages stay in memory.
        for position, intent in enumerate(intents):
            ids.append(id_ := call.id_of(intent))
            if not packing.add(intent, id_, position):
                batch.add(_message(intent, id_, call, trace, self._seal, delay=delay), [position])
        packing.close()
        # Read the key before anything is sent: every intent that is sent must get its receipt.
        key = self._receipt_key()
        started = time.monotonic()
        with recording(for_cloudwatch=self._settings.metrics) as metrics:
            failed = batch.send(self._queue, call.timeout_seconds)
            took = round(time.monotonic() - started, 6)
            metrics.take(lambda to: measure_emit(to, batch, failed, took, self._settings.queue_url))
        sent = {index: sign(id_, key) for index, id_ in enumerate(ids) if index not in failed}
        if failed:
            raise NotAcknowledged(sent, failed)
        return list(sent.values())

    @cached_property
    def _payloads(self) -> Payloads | None:
        """The bucket for large intents. The S3 client is imported and made for the first large intent only."""
        return self._given_payloads or payload_store(self._settings.payload_bucket)

    def _seal(self, text: str, bound_to: bytes) -> Any:
        """Encrypt a value. What that takes is imported and made for the first value only."""
        from penstock.encryption.keys import KeyServiceError  # noqa: PLC0415

        try:
            return self._sealer(text, bound_to)
        except KeyServiceError as error:
            raise EncryptionUnavailable(
                f"there is no data key for a Sensitive field: {error.code} (PENSTOCK_ENCRYPTION_KEY)"
            ) from error

    @cached_property
    def _sealer(self) -> Seal:
        settings = self._settings.require(*([] if self._given_keys else ["encryption_key"]))
        try:
            from penstock.encryption.sealer import Sealer  # noqa: PLC0415
        except ModuleNotFoundError:
            raise SettingsError("Sensitive fields need the extra `encryption` of Penstock: install it") from None
        from penstock.encryption.kms import KmsKeys  # noqa: PLC0415

        return Sealer(self._given_keys or KmsKeys(settings.encryption_key))

    def _receipt_key(self) -> str:
        try:
            return signing_key(self._settings.receipt_key)
        except SecretUnavailable as error:
            raise ReceiptKeyUnavailable(str(error)) from error


def _message(intent: I, id_: UUID, call: EmitCall[I], trace: Trace | None, seal: Seal, *, delay: int) -> Outgoing:
    return Outgoing(
        body=encode_envelope(
            intent,
            id=id_,
            source=call.source,
            traceparent=trace.traceparent if trace else None,
            expires_at=call.expiry_of(intent),
            seal=seal,
        ),
        attributes=message_attributes(kind_of(intent), delay),
        group=call.group_of(intent),
        deduplication_id=str(id_) if call.fifo else None,
        trace=trace.header if trace else None,
        delay_seconds=delay,
    )


_producer_lock = Lock()
_in_use: list[Producer] = []


@contextmanager
def use_producer(producer: Producer) -> Iterator[None]:
    """Let `emit` and `emit_many` use this producer instead of the environment's, in all threads.

    It is for tests, and for programs that configure their producer in code.
    """
    _in_use.append(producer)
    try:
        yield
    finally:
        _in_use.remove(producer)


def environment_producer() -> Producer:
    """Return the producer of `use_producer`, or else the one that the environment configures, made at first use.

    Raises:
        penstock.settings.SettingsError: a variable is missing or bad.
    """
    if _in_use:
        return _in_use[-1]
    with _producer_lock:
        return _cached_producer()


@cache
def _cached_producer() -> Producer:
    return Producer(Settings.from_environment())


def emit(intent: WriteIntent, **options: Unpack[EmitOptions]) -> Receipt:
    """Emit one intent to the queue that the environment names. Return once SQS has acknowledged it.

    Args:
        intent: the write intent.
        **options: all optional.

            - `idempotency_key` (str): the caller's key. The same key for the same kind and tenant is the same
              intent, however often it is emitted. Without a key the intent's own id is used, so that emitting the
              same object again is safe.
            - `tenant` (str): the tenant that the write belongs to. A standard queue serves its tenants fairly: a
              tenant that sends much delays its own messages only (SQS: fair queues). Two tenants may use the same
              idempotency key.
            - `ordering_key` (str): for a FIFO queue only. Writes of the same key stay in the order in which they
              are emitted. The default is the intent's `intent_ordering_key`, if its class has such a property.
            - `expires_at` (datetime with a time zone): the intent is not written if the drain takes it up later;
              its outcome is then `expired`. A time that has passed is accepted.
            - `delay` (timedelta): SQS hides the intent from the drain for that long, 15 minutes at most. Not for a
              FIFO queue.
            - `timeout_seconds` (float): for how many seconds calls to SQS and S3 are started; 5 by default. A
              call that has started may take some seconds more.

    Returns:
        The receipt: SQS has the intent.

    Raises:
        pydantic.ValidationError: a value cannot be stored (U+0000, a lone surrogate, NaN, infinity), or the
            intent was made without validation.
        ValueError: a key or the tenant is the empty string, `expires_at` has no time zone, or SQS does not have
            such a delay.
        IntentTooLarge: the intent is too large for a message, or for the bucket of large intents if there is one.
        OrderingKeyError: a FIFO queue gets no ordering key, or a standard queue gets one.
        ReceiptKeyUnavailable: the key that signs receipts cannot be read. Nothing was sent.
        EncryptionUnavailable: a `Sensitive` field cannot be encrypted at the moment. Nothing was sent.
        NotAcknowledged: SQS, or S3 before it, did not acknowledge the intent. It may be emitted again.
        penstock.settings.SettingsError: a setting is missing.
    """
    return environment_producer().emit(intent, **options)


def emit_many(intents: Iterable[I], **options: Unpack[EmitManyOptions[I]]) -> list[Receipt]:
    """Emit several intents to the queue that the environment names, in as few calls as SQS allows, 16 at once.

        emit_many(orders, idempotency_key=lambda order: str(order.order_id))

    With `PENSTOCK_PACK_LIMIT` many intents of one kind and tenant share a message (docs/packs.md).

    Args:
        intents: the write intents. They are read one at a time, up to the first that cannot be sent. Nothing is
            sent before all are validated. Of a generator's intents, only the messages stay in memory.
        **options: all optional; see `emit`.

            - `idempotency_key` (function): returns the caller's key of an intent, or None.
            - `tenant` (str or function): the tenant of all intents, or a function that returns it for an intent.
            - `ordering_key` (str or function): the ordering key of all intents, or a function that returns it.
            - `expires_at` (datetime or function): when all intents expire, or a function that returns that time.
            - `delay` (timedelta): the delay of all intents.
            - `timeout_seconds` (float): for how many seconds calls are started, for all intents together; 5 by
              default.

    Returns:
        The receipts, in the order of the intents.

    Raises:
        pydantic.ValidationError: a value of one intent cannot be stored. Nothing was sent.
        ValueError: a key or a tenant is the empty string, a time has no time zone, or SQS does not have such a
            delay. Nothing was sent.
        IntentTooLarge: one intent is too large, and `index` is its position. Nothing was sent.
        OrderingKeyError: a FIFO queue gets no ordering key, or a standard queue gets one. Nothing was sent.
        ReceiptKeyUnavailable: the key that signs receipts cannot be read. Nothing was sent.
        EncryptionUnavailable: a `Sensitive` field cannot be encrypted at the moment. Nothing was sent.
        NotAcknowledged: SQS did not acknowledge all of them. `sent` and `failed` list them by position.
        penstock.settings.SettingsError: a setting is missing.
    """
    return environment_producer().emit_many(intents, **options)
