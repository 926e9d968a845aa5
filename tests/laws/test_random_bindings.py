"""Law 3 for tables that nobody has seen: every binding that is accepted leaves the same rows in any order."""

from collections import Counter
from datetime import UTC, date, datetime
from decimal import Decimal
from itertools import count
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st
from pydantic import AwareDatetime, create_model
from sqlalchemy import (
    BigInteger,
    Column,
    Date,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    select,
    text,
)

from penstock import WriteIntent
from penstock.consumer import BindingError, Delete, Drain, Increment, Upsert
from penstock.database import ledger
from penstock.testing import LambdaContext, MemoryQueue, sqs_event

_numbers = count()

# For each: the field's type, the column's type, and few values, so that intents meet.
KEYS: list[tuple[Any, Any, list[Any]]] = [
    (str, Text(), ["a", "A", "a ", ""]),
    (int, Integer(), [0, -1, 7]),
    (UUID, Uuid(), [UUID(int=1), UUID(int=2)]),
    (Decimal, Numeric(), [Decimal("1"), Decimal("1.0"), Decimal("1.00"), Decimal("-0.5")]),
    (date, Date(), [date(2026, 1, 1), date(2026, 1, 2)]),
]
VERSIONS: list[tuple[Any, Any, list[Any]]] = [
    (int, BigInteger(), [1, 2, 3]),
    (Decimal, Numeric(), [Decimal("1"), Decimal("1.00"), Decimal("2")]),
    (str, Text(collation="C"), ["a", "B", "b", "ä"]),
    (AwareDatetime, DateTime(timezone=True), [datetime(2026, 1, day, tzinfo=UTC) for day in (1, 2)]),
]
DEFAULTS = [None, None, None, "0", "5"]


class Case:
    """A random table, the kinds that its binding accepts, and what makes their intents."""

    def __init__(self, data: st.DataObject) -> None:
        self._data = data
        keys = data.draw(st.lists(st.sampled_from(KEYS), min_size=1, max_size=2), label="keys")
        self._keys = {f"k{n}": key for n, key in enumerate(keys)}
        self._values = {name: (int, Integer(), [1, 2, 3]) for name in ("x", "y", "z")}
        self._versions = {name: data.draw(st.sampled_from(VERSIONS), label=name) for name in ("v", "w")}
        key = [Column(name, type_, primary_key=True) for name, (_, type_, _) in self._keys.items()]
        others = [
            Column(name, type_, server_default=self._default(type_))
            for name, (_, type_, _) in (self._values | self._versions).items()
        ]
        self.table = Table(f"things_{next(_numbers)}", MetaData(), *key, *others)
        self.kinds = [self._kind(n) for n in range(data.draw(st.integers(1, 4), label="kinds"))]

    def _default(self, type_: Any) -> Any:
        default = self._data.draw(st.sampled_from(DEFAULTS))
        return text(default) if default and isinstance(type_, Integer | Numeric | BigInteger) else None

    def _kind(self, number: int) -> tuple[type[WriteIntent], Any]:
        draw, key = self._data.draw, [*self._keys]
        version = draw(st.sampled_from(["v", "w"]))
        values = sorted(draw(st.sets(st.sampled_from(["x", "y", "z"]), min_size=1)))
        mode: Any
        match draw(st.sampled_from(["upsert", "upsert", "increment", "delete"])):
            case "upsert":
                names, mode = [*key, version, *values], Upsert(self.table, key=key, version=version)
            case "delete":
                names, mode = [*key, version], Delete(self.table, key=key, version=version)
            case _:
                names, mode = [*key, *values], Increment(self.table, key=key, add={name: name for name in values})
        fields: dict[str, Any] = {name: (self._source(name)[0], ...) for name in names}
        kind = {"kind": f"kind.k{number}"}
        return create_model(f"Kind{number}", __base__=WriteIntent, __cls_kwargs__=kind, **fields), mode

    def _source(self, name: str) -> tuple[Any, Any, list[Any]]:
        sources: dict[str, tuple[Any, Any, list[Any]]] = self._keys | self._values | self._versions
        return sources[name]

    def intents(self, kinds: list[type[WriteIntent]]) -> list[WriteIntent]:
        draw = self._data.draw
        chosen = draw(st.lists(st.sampled_from(kinds), min_size=2, max_size=8), label="intents")
        return [
            kind(**{name: draw(st.sampled_from(self._source(name)[2])) for name in kind.model_fields})
            for kind in chosen
        ]


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(data=st.data())
def test_every_accepted_binding_commutes(engine: Engine, data: st.DataObject) -> None:
    """Random intents of random modes over a random table leave the same rows in every order and in all cuts."""
    case = Case(data)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    accepted = []
    for intent, mode in case.kinds:
        try:
            drain.write(intent, mode)
            accepted.append(intent)
        except BindingError:
            event("refused")
    if not accepted:
        return
    event(f"accepted {len(accepted)}")
    intents = case.intents(accepted)
    case.table.create(engine)
    try:
        results = [_rows_after(engine, case.table, drain, _cut(data, intents)) for _ in range(3)]
    finally:
        case.table.drop(engine)
    assert results[0] == results[1] == results[2]


def _cut(data: st.DataObject, intents: list[WriteIntent]) -> list[list[WriteIntent]]:
    """Return the intents in a random order and in random batches, each batch with one that was there before."""
    order = data.draw(st.permutations(intents), label="order")
    cuts = sorted(data.draw(st.sets(st.integers(1, len(order)), max_size=3), label="cuts"))
    return [order[start:end] + order[:1] for start, end in zip([0, *cuts], [*cuts, None], strict=True)]


def _rows_after(
    engine: Engine, table: Table, drain: Drain, batches: list[list[WriteIntent]]
) -> Counter[tuple[Any, ...]]:
    """Drain the batches, return the rows, and empty the table and the ledger."""
    try:
        for batch in batches:
            assert drain.handler(sqs_event(batch), LambdaContext()) == {"batchItemFailures": []}
        with engine.connect() as connection:
            assert {*connection.scalars(select(ledger.c.outcome))} <= {"applied", "stale"}
            return Counter(tuple(row) for row in connection.execute(select(table)))
    finally:
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {table.name}, penstock.ledger, penstock.tombstone"))
