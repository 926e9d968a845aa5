"""The contract: the kinds of intents that one side can decode.

The whole envelope of a kind is one Pydantic model, and `type` selects the model, so that a message is parsed and
validated in one pass over its text. The model accepts only the current name and version of the kind. An older
envelope is upgraded and validated in a second pass.
"""

import sys
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import Field, TypeAdapter, ValidationError
from pydantic_core import to_json

from penstock.expressions.exact_json import ExactJsonError
from penstock.expressions.exact_json import read as read_json
from penstock.expressions.exact_json import write as write_json
from penstock.intents.envelope import HEAD, Envelope, EnvelopeError, envelope_of, read_head
from penstock.intents.envelope_reader import EnvelopeReader
from penstock.intents.exact_numbers import has_inexact, may_be_inexact, read_exactly
from penstock.intents.fault_paths import FIELD_LIMIT, escaped, safe_path
from penstock.intents.foreign import ForeignEventError, native_text
from penstock.intents.intent import WriteIntent, kind_of, oldest_name
from penstock.intents.sealed import MARK, Opener, SealedError, binding, token_of
from penstock.intents.sensitive import OPAQUE, sensitive_fields
from penstock.intents.storable import may_be_unstorable, overflowed, refuse_unstorable
from penstock.intents.upgrades import UpgradeError, check_upgraders, upgrade

if TYPE_CHECKING:
    from penstock.intents.pack_decoder import PackDecoder


class Contract:
    """The kinds of intents that one side can decode."""

    def __init__(self, intents: Iterable[type[WriteIntent]], opener: Opener | None = None) -> None:
        """Make a contract of some classes of intents.

        Args:
            intents: the classes.
            opener: reads the values of `Sensitive` fields; without it they stay encrypted.

        Raises:
            TypeError: there are no classes, a class has no kind or a gap in its upgraders, or two share a name; or
                a `Sensitive` value is not a field of its own.
        """
        kinds: dict[str, type[WriteIntent]] = {}
        self._sensitive: set[type[WriteIntent]] = set()
        self._names: dict[str, type[WriteIntent]] = {}
        for intent in intents:
            kinds[kind_of(intent)] = intent
            for name in (kind_of(intent), *intent.intent_aliases):
                other = self._names.setdefault(name, intent)
                if other is not intent:
                    raise TypeError(f"{other.__name__} and {intent.__name__} share the kind {name!r}")
            check_upgraders(intent)
            if sensitive_fields(intent):
                self._sensitive.add(intent)
        if not kinds:
            raise TypeError("a contract needs at least one kind")
        self._envelopes = {intent: envelope_of(intent) for intent in kinds.values()}
        self._validate = _adapter([*self._envelopes.values()]).validator.validate_json
        self._intents = kinds.values()
        self._opener = opener

    @property
    def has_sensitive(self) -> bool:
        """Whether a kind has a `Sensitive` field."""
        return bool(self._sensitive)

    @cached_property
    def without_keys(self) -> "Contract":
        """A contract of the same kinds that leaves `Sensitive` values encrypted."""
        return Contract(self._intents)

    def prepare(self, texts: Iterable[str], *, timeout_seconds: float) -> None:
        """Fetch the keys of the encrypted values in some texts, so that decoding need not wait for them."""
        if self._opener:
            self._opener.prepare(texts, timeout_seconds=timeout_seconds)

    def reader(self, kinds: Container[str]) -> EnvelopeReader:
        """Make a reader of many envelopes at once.

        Args:
            kinds: the kinds that it is to read; it leaves out those that cannot be read in this way.
        """
        chosen = {intent: made for intent, made in self._envelopes.items() if kind_of(intent) in kinds}
        return EnvelopeReader(chosen)

    def decode(self, text: str, sent_at: datetime | None = None) -> Envelope[WriteIntent]:
        """Parse and validate the text of one envelope. An old name or version is upgraded to the current one.

        Args:
            text: the text.
            sent_at: when the queue got it: the time of an envelope that has none.

        Raises:
            EnvelopeError: it is not JSON, not an envelope, has an unknown kind or version, or invalid data.
        """
        try:
            return self.decode_current(text)
        except Exception as error:  # noqa: BLE001 (a validator that does not know older data may raise anything)
            return self.decode_other(text, error, sent_at)

    def decode_current(self, text: str) -> Envelope[WriteIntent]:
        """Decode an envelope that Penstock wrote, of a current name and version: the fast part of `decode`.

        Raises:
            Exception: it is no such envelope; `decode_other` is to be asked, with this error.
        """
        if MARK in text:
            return self._decode_sealed(text)
        return self._decode_plain(text, self._validate)

    def _decode_sealed(self, text: str) -> Envelope[WriteIntent]:
        """Decode an envelope with encrypted values: their plaintexts are validated as any others."""
        if self._opener:
            return self._decode_plain(self._open(text, self._opener), self._validate)
        return self._decode_plain(text, partial(self._validate, context=OPAQUE))

    def _decode_plain(self, text: str, validate: Callable[[str], Envelope[WriteIntent]]) -> Envelope[WriteIntent]:
        envelope = validate(text)
        if may_be_unstorable(text) or overflowed(envelope.data):
            refuse_unstorable(envelope)
        if may_be_inexact(text, type(envelope.data)):
            envelope = read_exactly(validate, text, type(envelope.data), at=("data",))
        if self._opener and type(envelope.data) in self._sensitive:
            self._set_fingerprints(envelope, self._opener)
        return envelope

    def _open(self, text: str, opener: Opener) -> str:
        """Replace the encrypted values of an envelope by their plaintexts.

        Raises:
            EnvelopeError: one of them cannot be read.
        """
        head = read_head(text)
        intent = self._names.get(head.type) if head else None
        if head is None or intent is None or not isinstance(head.data, dict):
            return text
        # Which fields of an older version were Sensitive is not known. In those of the current version, an object
        # that only looks like an encrypted value stays what it is.
        current = head.dataversion == intent.intent_version
        names = sensitive_fields(intent).values() if current else head.data.keys()
        sealed = {name: token for name in names if (token := token_of(head.data.get(name)))}
        kind = oldest_name(intent)
        try:
            opened = {name: opener.open(token, binding(kind, name, head.id)) for name, token in sealed.items()}
        except SealedError as error:
            raise self._sealed_error(error, head) from None
        return _with_plaintexts(text, sealed, opened)

    def _set_fingerprints(self, envelope: Envelope[WriteIntent], opener: Opener) -> None:
        """Give each `Sensitive` value the keyed digest that the ledger may know.

        Raises:
            EnvelopeError: the key of the digests cannot be had.
        """
        intent = type(envelope.data)
        try:
            for field in sensitive_fields(intent):
                if value := getattr(envelope.data, field):
                    place = binding(oldest_name(intent), field, envelope.id)
                    # Not set in the value itself: a default value is shared by all intents.
                    vars(envelope.data)[field] = value.with_fingerprint(opener.fingerprint(value.reveal(), place))
        except SealedError as error:
            raise self._sealed_error(error, envelope) from None

    def _sealed_error(self, error: SealedError, envelope: Envelope[Any]) -> EnvelopeError:
        values = {field.name: getattr(envelope, field.name) for field in fields(Envelope)}
        head: Envelope[Any] = Envelope(**values | {"type": self.current_name(envelope.type), "data": None})
        return EnvelopeError(error.reason, (error.code,) if error.code else (), head)

    def decode_pack(self, text: str) -> Sequence[Envelope[WriteIntent]] | None:
        """Decode all intents of a pack at once; None if they have to be decoded one by one, or it is no pack.

        `penstock.intents.packs.split` is for those that this does not decode.
        """
        return self._packs.decode(text) if self._packs else None

    @cached_property
    def _packs(self) -> "PackDecoder | None":
        # Imported and made for the first pack only.
        from penstock.intents.pack_decoder import PackDecoder  # noqa: PLC0415

        plain = {intent: class_ for intent, class_ in self._envelopes.items() if intent not in self._sensitive}
        return PackDecoder(plain) if plain else None

    def decode_other(self, text: str, error: Exception, sent_at: datetime | None) -> Envelope[WriteIntent]:
        """Decode a text that `decode_current` refused: an older envelope, or an event of another sender.

        Args:
            text: the text.
            error: what `decode_current` raised.
            sent_at: when the queue got the text.

        Raises:
            EnvelopeError: as `decode`.
        """
        if MARK in text and self._opener:
            text = self._open(text, self._opener)
        try:
            head = HEAD.validate_json(text)
        except ValidationError as outer:
            return self._decode_foreign(text, outer, sent_at)
        return self._decode_older(head, text, error)

    def intent_of(self, kind: str) -> type[WriteIntent] | None:
        """Return the class of a kind, by its current name or a former one; None if the kind is not known."""
        return self._names.get(kind)

    def current_name(self, kind: str) -> str:
        """Return the current name of a kind; an unknown kind is returned unchanged."""
        intent = self._names.get(kind)
        return kind_of(intent) if intent else kind

    def _decode_foreign(
        self, text: str, outer: ValidationError, sent_at: datetime | None
    ) -> Envelope[WriteIntent]:
        """Decode a text whose head is not as Penstock writes it, or raise the error of that head."""
        try:
            native = None if _is_no_json(outer) else native_text(text, sent_at)
            if native is None:
                raise _no_envelope(outer) from None
            head = HEAD.validate_json(native)
        except ForeignEventError as refused:
            raise EnvelopeError(refused.reason, refused.fields) from None
        except ValidationError as invalid:
            raise _no_envelope(invalid) from None
        try:
            return self.decode_current(native)
        except Exception as error:  # noqa: BLE001 (a validator that does not know older data may raise anything)
            return self._decode_older(head, native, error)

    def _decode_older(self, head: Envelope[Any], text: str, error: Exception) -> Envelope[WriteIntent]:
        """Decode a text that the current version does not accept: upgrade it, or raise the first error found."""
        intent = self._names.get(head.type)
        if intent is None:
            raise EnvelopeError("unknown-kind", head=head) from None
        kind, version = kind_of(intent), intent.intent_version
        is_current = (head.type, head.dataversion) == (kind, version)
        head = replace(head, type=kind)
        if is_current:
            raise (_invalid(intent, error, head) if isinstance(error, ValidationError) else error) from None
        if not 1 <= head.dataversion <= version:
            raise EnvelopeError("unknown-version", head=head) from None
        if may_be_inexact(text, intent, any_version=True) and has_inexact(text):
            raise EnvelopeError("invalid-data", ("data inexact_number",), head) from None
        try:
            data = upgrade(intent, head.data, head.dataversion)
            current = _to_text(replace(head, dataversion=version, data=data))
        except UpgradeError as failed:
            raise EnvelopeError(failed.reason, failed.fields, head) from None
        except Exception as failed:  # noqa: BLE001 (an upgrader may return anything)
            raise EnvelopeError("upgrade-failed", (f"data {type(failed).__name__}",), head) from None
        try:
            return self.decode_current(current)
        except ValidationError as invalid:
            raise _invalid(intent, invalid, head) from None


def _with_plaintexts(text: str, sealed: Mapping[str, str], opened: Mapping[str, str]) -> str:
    """Put plaintexts in the place of encrypted values. The rest of the text stays as it is, with its numbers."""
    values = [(f'{{"{MARK}": "{token}"}}', to_json(opened[name]).decode()) for name, token in sealed.items()]
    # As `encode_envelope` writes them, and each token once: nothing else in the text can be meant.
    if all(text.count(value) == 1 == text.count(value[len(MARK) + 6 : -2]) for value, _ in values):
        for value, plain in values:
            text = text.replace(value, plain)
        return text
    try:
        event = read_json(text)
    except ExactJsonError:
        raise EnvelopeError("not-json") from None
    event["data"] |= opened
    return write_json(event, sys.maxsize)


def _no_envelope(error: ValidationError) -> EnvelopeError:
    if _is_no_json(error):
        return EnvelopeError("not-json")
    faults = error.errors(include_input=False, include_url=False)[:FIELD_LIMIT]
    named = (".".join(escaped(str(part)) for part in fault["loc"]) + f" {fault['type']}" for fault in faults)
    return EnvelopeError("not-an-envelope", tuple(name.strip() for name in named))


def _is_no_json(error: ValidationError) -> bool:
    return error.errors(include_input=False, include_url=False)[0]["type"] == "json_invalid"


def _to_text(envelope: Envelope[Any]) -> str:
    values = {field.name: getattr(envelope, field.name) for field in fields(envelope)}
    return to_json(values, inf_nan_mode="constants").decode()


def _invalid(intent: type[WriteIntent], error: ValidationError, head: Envelope[Any]) -> EnvelopeError:
    """Name the invalid fields, without the keys of a dict, which are values."""
    faults = []
    for fault in error.errors(include_input=False, include_url=False)[:FIELD_LIMIT]:
        # In a union of kinds Pydantic puts the kind in front of the path. The head has it already.
        path = fault["loc"][1:] if fault["loc"][:1] == (kind_of(intent),) else fault["loc"]
        inner = safe_path(path[1:], intent.__pydantic_core_schema__)
        faults.append(f"{'.'.join(filter(None, [*map(str, path[:1]), inner]))} {fault['type']}".strip())
    return EnvelopeError("invalid-data", tuple(faults), head)


def _adapter(envelopes: list[type[Envelope[Any]]]) -> TypeAdapter[Envelope[Any]]:
    union: Any = envelopes[0]
    for envelope in envelopes[1:]:
        union |= envelope
    if len(envelopes) > 1:
        union = Annotated[union, Field(discriminator="type")]
    return TypeAdapter(union)
