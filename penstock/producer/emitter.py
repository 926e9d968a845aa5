"""Emit: validate intents, hand them to SQS, and give a receipt for each that SQS acknowledged."""

from collections.abc import Iterable
from functools import cache
from uuid import UUID

from penstock.intents import Receipt, WriteIntent, derive_id, kind_of, seal, sign
from penstock.producer.errors import IntentTooLarge, NotKept, ReceiptKeyUnavailable
from penstock.queue import MESSAGE_LIMIT_BYTES, Attribute, Outgoing, Queue, SqsQueue
from penstock.settings import SecretUnavailable, Settings, resolve_secret

LETTER_BYTES = 16_384
"""Kept free in every message, so that a dead letter has room for its reason."""

INTENT_LIMIT_BYTES = MESSAGE_LIMIT_BYTES - LETTER_BYTES
"""The most that an intent may take as a message."""


class Producer:
    """Emits intents to one queue, in the name of one source."""

    def __init__(self, settings: Settings, queue: Queue | None = None) -> None:
        """Take the settings, and a queue in place of the one that they name.

        Raises:
            penstock.settings.SettingsError: a setting that emitting needs is missing.
        """
        settings.require("receipt_key", "source", *(["queue_url"] if queue is None else []))
        self._settings = settings
        self._queue = queue or SqsQueue(settings.queue_url)

    def emit(self, intent: WriteIntent, *, idempotency_key: str | None = None) -> Receipt:
        """Emit one intent; see `penstock.producer.emit`."""
        id_ = self._id(intent, idempotency_key)
        message = self._message(intent, id_)
        receipt = sign(id_, self._key())
        refused = self._queue.send([message])
        if refused:
            raise NotKept({}, refused)
        return receipt

    def emit_many(self, intents: Iterable[WriteIntent]) -> list[Receipt]:
        """Emit several intents; see `penstock.producer.emit_many`."""
        ids, messages = [], []
        for intent in intents:
            ids.append(intent.intent_id)
            messages.append(self._message(intent, intent.intent_id))
        key = self._key()
        refused = self._queue.send(messages)
        kept = {index: sign(id_, key) for index, id_ in enumerate(ids) if index not in refused}
        if refused:
            raise NotKept(kept, refused)
        return list(kept.values())

    def _id(self, intent: WriteIntent, key: str | None) -> UUID:
        if key is None:
            return intent.intent_id
        return derive_id(source=self._settings.source, kind=kind_of(intent), tenant=None, key=key)

    def _message(self, intent: WriteIntent, id_: UUID) -> Outgoing:
        body = seal(intent, id=id_, source=self._settings.source)
        message = Outgoing(body, {"type": Attribute(kind_of(intent))})
        if message.size > INTENT_LIMIT_BYTES:
            raise IntentTooLarge(message.size, INTENT_LIMIT_BYTES)
        return message

    def _key(self) -> str:
        """Return the receipts' key; asked for before anything is sent, so that what is kept gets its receipt."""
        try:
            return resolve_secret(self._settings.receipt_key)
        except SecretUnavailable as error:
            raise ReceiptKeyUnavailable(str(error)) from error


@cache
def environment_producer() -> Producer:
    """Return the producer that the environment describes, made at the first call.

    Raises:
        penstock.settings.SettingsError: a variable is missing or bad.
    """
    return Producer(Settings.from_environment())


def emit(intent: WriteIntent, *, idempotency_key: str | None = None) -> Receipt:
    """Emit one intent to the queue that the environment names. Returns once SQS has acknowledged it.

    Args:
        intent: what should be written.
        idempotency_key: a caller's key. The same key for the same kind is the same intent, however often it is
            emitted; without one the intent's own id is used, so that emitting the same object again is safe.

    Returns:
        The receipt: SQS has the intent.

    Raises:
        pydantic.ValidationError: a value cannot be stored (U+0000, a lone surrogate, NaN, infinity), or the
            intent was made without validation.
        IntentTooLarge: it does not fit in a message.
        ReceiptKeyUnavailable: the key that signs receipts cannot be read; nothing was sent.
        NotKept: SQS did not acknowledge it; it may be emitted again.
        penstock.settings.SettingsError: a setting is missing.
    """
    return environment_producer().emit(intent, idempotency_key=idempotency_key)


def emit_many(intents: Iterable[WriteIntent]) -> list[Receipt]:
    """Emit several intents to the queue that the environment names, in as few calls as SQS allows.

    Args:
        intents: what should be written. Nothing is sent before all of them have been validated.

    Returns:
        Their receipts, in order.

    Raises:
        pydantic.ValidationError: a value of one cannot be stored; nothing was sent.
        IntentTooLarge: one does not fit in a message; nothing was sent.
        ReceiptKeyUnavailable: the key that signs receipts cannot be read; nothing was sent.
        NotKept: SQS did not acknowledge all of them; it says which were kept.
        penstock.settings.SettingsError: a setting is missing.
    """
    return environment_producer().emit_many(intents)
