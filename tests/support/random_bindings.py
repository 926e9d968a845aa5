"""Random tables, and random modes and intents for them."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import count, pairwise
from types import UnionType
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from pydantic import AwareDatetime, create_model
from sqlalchemy import (
    CHAR,
    Column,
    DateTime,
    Double,
    Engine,
    Integer,
    Interval,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, CITEXT, INT4RANGE, JSONB, TIMESTAMP

from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Delete, Drain, Increment, Upsert
from penstock.database import ledger
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.icu import NO_CASE

_numbers = count()


@dataclass(frozen=True)
class Kind:
    """A type of columns, the field for it, a few values, and the form that equal values share.

    Attributes:
        name: its name in failures.
        type: the column's type.
        field: the field's.
        values: values in the form of the message, some of them equal to each other in the column.
        form: brings equal values to one form.
        embedded: whether the embedded server has it.
    """

    name: str
    type: Any
    field: Any
    values: tuple[Any, ...]
    form: Callable[[Any], Any] = lambda value: value
    embedded: bool = True

    def __repr__(self) -> str:
        return self.name


_UUIDS = tuple(UUID(int=n) for n in (1, 2, 3))
_DECIMALS = (Decimal("1.0"), Decimal("1.00"), Decimal(1), Decimal("1.5"), Decimal(-1))
_TIMES = tuple(
    datetime.fromisoformat(text)
    for text in (
        "2026-01-01T00:00:00Z",
        "2026-01-01T01:00:00+01:00",
        "2026-01-01T00:00:00.4Z",
        "2026-01-02T00:00:00Z",
    )
)

EMBEDDED: tuple[Kind, ...] = (
    Kind("text", Text(), str, ("a", "A", "b", "a ")),
    Kind("varchar", String(3), str, ("a", "ab", "ab ", "abc")),
    Kind("char", CHAR(4), str, ("a", "a ", "b", "B"), str.rstrip),
    Kind("text C", Text(collation="C"), str, ("a", "A", "b")),
    Kind("integer", Integer(), int, (0, 1, 2, 10)),
    Kind("numeric", Numeric(), Decimal, _DECIMALS, Decimal.normalize),
    Kind("numeric(6,2)", Numeric(6, 2), Decimal, (Decimal("1.0"), Decimal("1.00"), Decimal("1.5"), Decimal(9))),
    # Postgres calls 0 and -0 equal.
    Kind("double", Double(), float, (0.0, -0.0, 0.1, 3.0), lambda value: value + 0.0),
    Kind("interval", Interval(), str, ("1 day", "24 hours", "1 month", "30 days", "1 month -1 day", "-1 hour")),
    Kind("uuid", Uuid(), UUID, _UUIDS),
    Kind("timestamptz", DateTime(timezone=True), AwareDatetime, _TIMES),
    Kind("timestamptz(0)", TIMESTAMP(timezone=True, precision=0), AwareDatetime, _TIMES),
)
EVERYWHERE: tuple[Kind, ...] = (
    *EMBEDDED,
    Kind("citext", CITEXT(), str, ("a", "A", "b", "B"), str.lower, embedded=False),
    Kind("no case", Text(collation=NO_CASE), str, ("a", "A", "b", "B"), str.lower, embedded=False),
    Kind("varchar no case", String(9, collation=NO_CASE), str, ("a", "A", "b"), str.lower, embedded=False),
    Kind("de", Text(collation="de-x-icu"), str, ("a", "A", "b", "ä"), embedded=False),
)
_VALUES: tuple[Kind, ...] = (
    Kind("jsonb", JSONB(), dict[str, int], ({"a": 1}, {"b": 1, "a": 2}, {})),
    Kind("array", ARRAY(Text()), list[str], (["a"], ["b", "a"], [])),
    Kind("set", ARRAY(Text()), set[str], ({"a", "b", "c"}, {"c", "d"})),
    Kind("range", INT4RANGE(), str, ("[1,2)", "[1,1]", "[3,5)")),
)


@dataclass
class Service:
    """A table with its kinds and their intents. The shape is drawn; the rest is made of it.

    Attributes:
        key: the types of the key's columns.
        columns: the types of the other columns, each with its server default.
        unique: a column with a unique constraint of its own.
        modes: the modes: a name, and the columns that it writes by their numbers.
        picks: the intents: a mode, and which value of each column.
    """

    key: Sequence[Kind]
    columns: Sequence[tuple[Kind, bool]]
    unique: int | None
    modes: Sequence[tuple[str, int, tuple[int, ...], bool]]
    picks: Sequence[tuple[int, tuple[int, ...]]]
    accepted: bool = False
    table: Table | None = field(default=None, repr=False)
    drain: Drain | None = field(default=None, repr=False)
    intents: list[WriteIntent] = field(default_factory=list)

    @property
    def runs_embedded(self) -> bool:
        """Whether the embedded server has all types."""
        return all(kind.embedded for kind in (*self.key, *(kind for kind, _ in self.columns)))

    def bind(self, engine: Engine) -> None:
        """Bind the modes; raise BindingError if they are refused."""
        number = next(_numbers)
        self.table = table = self._table(f"random_{number}")
        self.drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
        classes: list[Any] = []
        for place, (mode, version, columns, swapped) in enumerate(self.modes):
            names = self._names(mode, version, columns, swapped)
            found_by = [self.columns[self.unique][0]] if swapped and self.unique is not None else self.key
            if mode == "delete" and any("no case" in kind.name for kind in found_by):
                raise BindingError("the drain refuses it as soon as it sees the live collation")
            required = {f"c{version}", *(names if mode in {"delete", "increment"} or swapped else ())}
            fields: Any = {
                name: (self._kind(name).field if name[0] == "k" or name in required else self._optional(name), ...)
                for name in names
            }
            keywords = {"kind": f"r{number}.k{place}"}
            made: Any = create_model("Random", __base__=WriteIntent, __cls_kwargs__=keywords, **fields)
            classes.append(made)
            self.drain.write(made, self._mode(table, mode, version, names, swapped))
        self.intents = [
            _make(classes[mode], [(name, self._kind(name)) for name in classes[mode].model_fields], places)
            for mode, places in self.picks
        ]
        table.create(engine)
        self.accepted = True

    def _table(self, name: str) -> Table:
        keys = [
            Column(f"k{n}", kind.type, primary_key=True, autoincrement=False) for n, kind in enumerate(self.key)
        ]
        others = [
            Column(
                f"c{n}",
                kind.type,
                server_default=str(kind.values[-1]) if default and _plain(kind) and n != self.unique else None,
            )
            for n, (kind, default) in enumerate(self.columns)
        ]
        unique = [] if self.unique is None else [UniqueConstraint(f"c{self.unique}")]
        # A Delete and an Increment take no other fields; two upserts must not share a column.
        alone = len(self.modes) == 1 and self.modes[0][0] in {"upsert", "append"}
        own = [Column("intent_id", Uuid)] if alone else []
        return Table(name, MetaData(), *own, *keys, *others, *unique)

    def _names(self, mode: str, version: int, columns: tuple[int, ...], swapped: bool) -> list[str]:
        keys = [f"k{n}" for n in range(len(self.key))]
        if swapped and self.unique is not None:
            keys = [f"c{self.unique}"]
        more = {"delete": [version], "upsert": [version, *columns]}.get(mode, columns)
        return list(dict.fromkeys([*keys, *(f"c{n}" for n in more)]))

    def _mode(self, table: Table, mode: str, version: int, names: list[str], swapped: bool) -> Any:
        by_other = swapped and self.unique is not None
        key = [f"c{self.unique}"] if by_other else [f"k{n}" for n in range(len(self.key))]
        if mode == "append":
            return Append(table)
        if mode == "increment":
            return Increment(table, key=key, add={name: name for name in names if name not in key})
        return (Upsert if mode == "upsert" else Delete)(table, key=key, version=f"c{version}")

    def _optional(self, name: str) -> Any:
        return self._kind(name).field | None

    def _kind(self, name: str) -> Kind:
        number = int(name[1:])
        return self.key[number] if name[0] == "k" else self.columns[number][0]

    def clean(self, engine: Engine) -> None:
        """Empty the table, the ledger and the tombstones."""
        assert self.table is not None
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {self.table.name}, penstock.ledger, penstock.tombstone"))

    def drop(self, engine: Engine) -> None:
        """Drop the table."""
        if self.accepted and self.table is not None:
            self.table.drop(engine)

    def deliver(self, chance: random.Random) -> None:
        """Deliver each intent once or twice, in any order, cut anywhere."""
        assert self.drain is not None
        records = sqs_event([*self.intents, *(i for i in self.intents if chance.random() < 0.5)])["Records"]
        chance.shuffle(records)
        cuts = sorted(chance.randrange(len(records) + 1) for _ in range(chance.randrange(5)))
        for start, end in pairwise([0, *cuts, len(records)]):
            answer = self.drain.handler({"Records": records[start:end]}, LambdaContext())
            assert answer == {"batchItemFailures": []}, (self, answer)

    def check_ledger(self, engine: Engine) -> None:
        """Hold the ledger against the table: a row that an upsert left there belongs to an applied intent."""
        assert self.table is not None
        with engine.connect() as connection:
            rows = connection.execute(select(ledger.c.id, ledger.c.outcome)).all()
            own = "intent_id" in self.table.c
            written = {*connection.scalars(select(self.table.c.intent_id))} if own else set()
        known = {row.id: row.outcome for row in rows}
        assert known.keys() == {intent.intent_id for intent in self.intents}
        assert all(known[id_] == "applied" for id_ in written), (self, known)
        if self.unique is None and all(mode != "append" for mode, *_ in self.modes):
            assert "dead" not in known.values(), (self, known)

    def rows(self, engine: Engine) -> Any:
        """Return the rows, keys in the form that equal keys share; None if a second constraint refused some."""
        assert self.table is not None
        columns = [column for column in self.table.c if column.name != "intent_id"]
        with engine.connect() as connection:
            refused = connection.scalar(select(ledger.c.id).where(ledger.c.outcome == "dead").limit(1))
            found = connection.execute(select(*columns)).all()
        if refused:
            return None
        keys = [n for n, column in enumerate(columns) if column.primary_key]
        forms = {n: self.key[place].form for place, n in enumerate(keys)}
        return sorted(repr([forms[n](v) if n in forms else str(v) for n, v in enumerate(row)]) for row in found)


def _plain(kind: Kind) -> bool:
    return not isinstance(kind.values[-1], dict | list | set)


def _make(class_: Any, kinds: Sequence[tuple[str, Kind]], places: tuple[int, ...]) -> WriteIntent:
    values = {
        name: _value(class_.model_fields[name].annotation, kind, places[n % len(places)])
        for n, (name, kind) in enumerate(kinds)
    }
    made: WriteIntent = class_(**values)
    return made


def _value(annotation: Any, kind: Kind, place: int) -> Any:
    values = (*kind.values, None) if isinstance(annotation, UnionType) else kind.values
    return values[place % len(values)]


def services(kinds: Sequence[Kind]) -> st.SearchStrategy[Service]:
    """Return services over these types of columns."""
    one = st.sampled_from(kinds)
    any_ = one | st.sampled_from([kind for kind in kinds if kind.name == "integer"] + [*_VALUES])

    @st.composite
    def draw(pick: Any) -> Service:
        columns = pick(st.lists(st.tuples(any_, st.booleans()), min_size=2, max_size=5))
        numbers = st.integers(0, len(columns) - 1)
        mode = st.tuples(
            st.sampled_from(["upsert", "upsert", "delete", "increment", "append"]),
            numbers,
            st.lists(numbers, unique=True, max_size=3).map(lambda some: tuple(sorted(some))),
            st.sampled_from([False, False, False, True]),
        )
        modes = pick(st.lists(mode, min_size=1, max_size=3))
        places = st.lists(st.integers(0, 5), min_size=6, max_size=6).map(tuple)
        picks = st.lists(st.tuples(st.integers(0, len(modes) - 1), places), min_size=2, max_size=8)
        return Service(
            key=pick(st.lists(one, min_size=1, max_size=2)),
            columns=columns,
            unique=pick(st.none() | st.none() | numbers),
            modes=modes,
            picks=pick(picks),
        )

    return draw()
