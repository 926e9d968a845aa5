"""Samples of a kind: intents that are made up, from the model and from what is in the database."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import cycle
from random import Random
from typing import Any, Final

from pydantic import ValidationError
from sqlalchemy import Engine, text

from penstock.consumer.modes.base import Bound
from penstock.database.watchdog import Watchdog
from penstock.explain.samples.columns import distinct_fields, with_columns
from penstock.explain.samples.live import Values, live_values
from penstock.explain.samples.values import Generator, Schema
from penstock.intents import WriteIntent, encode_envelope
from penstock.intents.sealed import unsealed

SOURCE: Final = "/penstock/explain"
_ATTEMPTS: Final = 5
_SEED: Final = 0
_LIMITS = text(
    "SELECT pg_catalog.set_config('statement_timeout', '5s', true),"
    " pg_catalog.set_config('lock_timeout', '1s', true)"
)


class SampleError(Exception):
    """No sample of a kind could be made. The message names fields, and shows no value."""


def make_samples(
    intent: type[WriteIntent], bound: Bound, engine: Engine, count: int, *, seconds: float
) -> list[str]:
    """Make envelopes of a kind. The same database gives the same ones, apart from their ids and times.

    Values come from the `examples` of the model and of its fields; from rows of the database, for half of the keys
    and for all foreign keys; and are made up otherwise.

    Args:
        intent: the class of the intents.
        bound: how the kind is written.
        engine: of the database.
        count: how many.
        seconds: how long the reading of the database may take, with connecting.

    Raises:
        SampleError: the model refuses what was made up.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached.
    """
    reading = engine.execution_options(postgresql_readonly=True)
    with Watchdog(reading).rolled_back(seconds) as connection:
        connection.execute(_LIMITS)
        live = live_values(connection, bound, count)
    maker = _Maker(intent, bound)
    made = map(maker.make, live)
    return [encode_envelope(one, id=one.intent_id, source=SOURCE, seal=unsealed) for one in made]


class _Maker:
    def __init__(self, intent: type[WriteIntent], bound: Bound) -> None:
        schema = intent.model_json_schema(by_alias=False)
        self._intent = intent
        self._fields: Mapping[str, Schema] = with_columns(_fields(schema), bound)
        self._distinct = distinct_fields(bound)
        self._seen: set[tuple[str, str]] = set()
        self._examples = cycle(schema.get("examples") or [{}])
        self._generator = Generator(schema.get("$defs", {}), Random(_SEED), datetime.now(UTC))  # noqa: S311 (no secret)

    def make(self, live: Values) -> WriteIntent:
        """Make an intent with some values from the database, or without them if the model refuses these."""
        example: Mapping[str, Any] = next(self._examples)
        error = SampleError("")
        for known in [live] * _ATTEMPTS + [{}] * _ATTEMPTS:
            try:
                return self._validated({**self._made_up(), **example, **known})
            except SampleError as refused:
                error = refused
        raise error

    def _made_up(self) -> dict[str, Any]:
        return {name: self._new_value(name, schema) for name, schema in self._fields.items()}

    def _new_value(self, name: str, schema: Schema) -> Any:
        """Make a value up that no other sample has, if its column is unique and there are enough values."""
        value = self._value(name, schema)
        if name in self._distinct:
            attempts = 0
            while (name, repr(value)) in self._seen and attempts < _ATTEMPTS:
                value, attempts = self._value(name, schema), attempts + 1
            self._seen.add((name, repr(value)))
        return value

    def _value(self, name: str, schema: Schema) -> Any:
        try:
            return self._generator.value(schema)
        except ValueError as error:
            raise SampleError(f"{name}: {error}") from None

    def _validated(self, values: Values) -> WriteIntent:
        try:
            return self._intent.model_validate_json(json.dumps(values), by_alias=False, by_name=True)
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
            named = [f"{'.'.join(map(str, one['loc']))} {one['type']}".strip() for one in found]
            raise SampleError(", ".join(dict.fromkeys(named))) from None
        except Exception as error:  # noqa: BLE001 (a validator of the service may raise anything)
            raise SampleError(f"a validator failed: {type(error).__name__}") from None


def _fields(schema: Schema) -> Mapping[str, Schema]:
    """Return the schemas of the fields. The schema of a model that contains itself is among its definitions."""
    reference = schema.get("$ref", "")
    found: Schema = schema["$defs"][reference.rpartition("/")[2]] if reference else schema
    fields: Mapping[str, Schema] = found.get("properties", {})
    return fields
