"""Decoding a pack as a whole: one call of Pydantic for all of its intents.

Only a pack that is valid, current and plain is decoded here. For any other, such as one with a single bad intent,
there is `penstock.intents.packs.split`: its intents are then decoded one by one, as if each had been sent alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import reduce
from operator import or_
from typing import Annotated, Any, Final

from pydantic import FailFast, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from penstock.intents.envelope import CONFIG, Envelope
from penstock.intents.exact_numbers import may_be_inexact
from penstock.intents.intent import WriteIntent, kind_of
from penstock.intents.packs import ATTRIBUTE, MOST_INTENTS, SHARED_LIMIT, VERSION
from penstock.intents.sealed import MARK
from penstock.intents.storable import may_be_unstorable, overflowed

_COLUMNS: Final = ("id", "time", "expirytime", "data")
_FIELDS: Final = tuple(field.name for field in fields(Envelope))
_SHARED: Final = tuple(name for name in _FIELDS if name not in _COLUMNS)
_TEXTS: Final = ("source", "traceparent", "subject", "dataschema")


class PackDecoder:
    """Decodes packs and batches of some kinds."""

    def __init__(self, envelopes: Mapping[type[WriteIntent], type[Envelope[Any]]]) -> None:
        """Prepare to decode.

        Args:
            envelopes: the kinds, one at least, with the classes of their envelopes. None has `Sensitive` fields.
        """
        self._intents = {kind_of(intent): intent for intent in envelopes}
        self._envelopes = {kind_of(intent): envelope for intent, envelope in envelopes.items()}
        packs = [_pack_of(intent, self._envelopes[kind]) for kind, intent in self._intents.items()]
        self._read_pack = TypeAdapter(_union(packs)).validator.validate_json
        self._read_batch = TypeAdapter(_column_of(_union([*self._envelopes.values()]))).validator.validate_json

    def decode(self, text: str) -> Sequence[Envelope[WriteIntent]] | None:
        """Decode all intents of a pack or a batch.

        Returns:
            Their envelopes; None if the text is neither, or if its intents have to be decoded one by one.
        """
        if MARK in text or may_be_unstorable(text):
            return None
        try:
            batch = text.lstrip()[:1] == "["
            envelopes = self._read_batch(text) if batch else self._rows(self._read_pack(text))
            if any(overflowed(envelope.data) for envelope in envelopes):
                return None
        except Exception:  # noqa: BLE001 (a validator of the service may raise anything; it is called again alone)
            return None
        kinds = {envelope.type for envelope in envelopes}
        return None if any(may_be_inexact(text, self._intents[kind]) for kind in kinds) else envelopes

    def _rows(self, pack: Any) -> list[Envelope[WriteIntent]]:
        """Make the envelopes of a pack.

        Raises:
            ValueError: its columns have different lengths, or its shared attributes are too long.
        """
        # `split` measures them as JSON text, in which a character takes six bytes at most.
        if sum(len(getattr(pack, name) or "") for name in _TEXTS) > SHARED_LIMIT // 8:
            raise ValueError("long attributes")
        class_ = self._envelopes[pack.type]
        put = {name: getattr(class_, name).__set__ for name in _FIELDS}
        shared = [(put[name], getattr(pack, name)) for name in _SHARED]
        put_id, put_time, put_expiry, put_data = (put[name] for name in _COLUMNS)
        expiries = pack.expirytime or [None] * len(pack.id)
        envelopes = []
        for id_, time, expiry, data in zip(pack.id, pack.time, expiries, pack.data, strict=True):
            # Into the slots: to validate again what is valid would take longer than all the rest.
            envelope: Envelope[WriteIntent] = class_.__new__(class_)
            for put_shared, value in shared:
                put_shared(envelope, value)
            put_id(envelope, id_)
            put_time(envelope, time)
            put_expiry(envelope, expiry)
            put_data(envelope, data)
            envelopes.append(envelope)
        return envelopes


def _pack_of(intent: type[WriteIntent], envelope: type[Envelope[Any]]) -> type[Any]:
    """Make the class of a kind's packs, from that of its envelopes."""
    annotations = {
        ATTRIBUTE: Annotated[int, Field(ge=VERSION, le=VERSION)],
        "id": _column_of(Envelope.__annotations__["id"]),
        "time": _column_of(Envelope.__annotations__["time"]),
        "expirytime": _column_of(Envelope.__annotations__["expirytime"]),
        "data": _column_of(intent),
    }
    namespace: dict[str, Any] = {"__annotations__": annotations, "__module__": __name__, "expirytime": None}
    class_ = type(f"{intent.__name__}Pack", (envelope,), namespace)
    made: Any = dataclass(class_, config=CONFIG, frozen=True, slots=True, kw_only=True)
    return made  # type: ignore[no-any-return]


def _column_of(type_: Any) -> Any:
    return Annotated[list[type_], FailFast(), Field(min_length=1, max_length=MOST_INTENTS)]


def _union(types: Sequence[type[Any]]) -> Any:
    union = reduce(or_, types)
    return Annotated[union, Field(discriminator="type")] if len(types) > 1 else union
