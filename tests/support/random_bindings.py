"""Random tables, and random modes and intents for them."""

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from itertools import count, pairwise
from types import UnionType
from typing import Any, NamedTuple
from uuid import UUID

from hypothesis import strategies as st
from pydantic import AwareDatetime, create_model
from sqlalchemy import (
    CHAR,
    Column,
    Connection,
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


class Write(NamedTuple):
    """One write of a kind. The shape is drawn.

    Attributes:
        mode: the mode.
        version: the column of the version, by its number.
        columns: the columns that it writes.
        swapped: whether it finds rows by the second unique column.
        target: the table.
        renamed: whether it has fields of its own, and shares none with the kind's other writes.
    """

    mode: str
    version: int
    columns: tuple[int, ...]
    swapped: bool
    target: str
    renamed: bool


@dataclass
class Service:
    """Tables with their kinds and intents. The shape is drawn; the rest is made of it.

    There are three tables: `main`; `other`, which has the same key and some of the columns; and `log`, which has
    some of the columns and no key.

    Attributes:
        key: the types of the key's columns.
        columns: the types of the other columns, each with its server default.
        unique: a column of `main` with a unique constraint of its own.
        fewer: the columns that `other` and `log` have, by their numbers.
        kinds: the writes of each kind.
        picks: the intents: a kind, and which value of each field.
    """

    key: Sequence[Kind]
    columns: Sequence[tuple[Kind, bool]]
    unique: int | None
    fewer: tuple[int, ...]
    kinds: Sequence[Sequence[Write]]
    picks: Sequence[tuple[int, tuple[int, ...]]]
    accepted: bool = False
    tables: dict[str, Table] = field(default_factory=dict, repr=False)
    drain: Drain | None = field(default=None, repr=False)
    intents: list[WriteIntent] = field(default_factory=list)

    @property
    def runs_embedded(self) -> bool:
        """Whether the embedded server has all types."""
        return all(kind.embedded for kind in (*self.key, *(kind for kind, _ in self.columns)))

    @property
    def writes(self) -> list[Write]:
        """All writes of all kinds."""
        return [write for writes in self.kinds for write in writes]

    def bind(self, engine: Engine) -> None:
        """Bind the kinds; raise BindingError if they are refused."""
        number = next(_numbers)
        self.tables = self._tables(f"random_{number}")
        self.drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
        classes: list[Any] = []
        for place, writes in enumerate(self.kinds):
            keywords = {"kind": f"r{number}.k{place}"}
            made: Any = create_model(
                "Random", __base__=WriteIntent, __cls_kwargs__=keywords, **self._fields(writes)
            )
            classes.append(made)
            self.drain.write(made, *(self._mode(write, n) for n, write in enumerate(writes)))
        self.intents = [
            _make(classes[kind], [(name, self._kind(name)) for name in classes[kind].model_fields], places)
            for kind, places in self.picks
        ]
        for table in self.tables.values():
            table.create(engine)
        self.accepted = True

    def _tables(self, name: str) -> dict[str, Table]:
        # A Delete and an Increment take no other fields; two upserts must not share a column.
        modes = [write.mode for write in self.writes if write.target == "main"]
        own = [Column("intent_id", Uuid)] if len(modes) == 1 and modes[0] in {"upsert", "append"} else []
        unique = [] if self.unique is None else [UniqueConstraint(f"c{self.unique}")]
        every = tuple(range(len(self.columns)))
        return {
            "main": Table(name, MetaData(), *own, *self._keys(), *self._others(every), *unique),
            "other": Table(f"{name}_other", MetaData(), *self._keys(), *self._others(self.fewer)),
            "log": Table(f"{name}_log", MetaData(), Column("intent_id", Uuid), *self._others(self.fewer)),
        }

    def _keys(self) -> list[Column[Any]]:
        return [
            Column(f"k{n}", kind.type, primary_key=True, autoincrement=False) for n, kind in enumerate(self.key)
        ]

    def _others(self, numbers: Sequence[int]) -> list[Column[Any]]:
        found = [(n, *self.columns[n]) for n in numbers]
        return [
            Column(
                f"c{n}",
                kind.type,
                server_default=str(kind.values[-1]) if default and _plain(kind) and n != self.unique else None,
            )
            for n, kind, default in found
        ]

    def _fields(self, writes: Sequence[Write]) -> Any:
        fields: dict[str, Any] = {}
        for place, write in enumerate(writes):
            names = self._names(write)
            required = {self._version(write), *(names if self._takes_all(write) else ())}
            for name in names:
                made = _prefix(write, place) + name
                needed = name[0] == "k" or name in required
                if needed or made not in fields:
                    fields[made] = (self._kind(name).field if needed else self._optional(name), ...)
        return fields

    def _takes_all(self, write: Write) -> bool:
        return write.mode in {"delete", "increment"} or self._by_other(write)

    def _by_other(self, write: Write) -> bool:
        return write.swapped and self.unique is not None and write.target == "main"

    def _found_by(self, write: Write) -> list[str]:
        return [f"c{self.unique}"] if self._by_other(write) else [f"k{n}" for n in range(len(self.key))]

    def _version(self, write: Write) -> str:
        numbers = range(len(self.columns)) if write.target == "main" else self.fewer
        return f"c{numbers[write.version % len(numbers)]}"

    def _names(self, write: Write) -> list[str]:
        numbers = write.columns if write.target == "main" else [n for n in write.columns if n in self.fewer]
        columns = [f"c{n}" for n in numbers]
        if write.target == "log":
            return columns
        more = {"delete": [self._version(write)], "upsert": [self._version(write), *columns]}
        return list(dict.fromkeys([*self._found_by(write), *more.get(write.mode, columns)]))

    def _mode(self, write: Write, place: int) -> Any:
        table, key, names = self.tables[write.target], self._found_by(write), self._names(write)
        if write.mode == "delete" and any("no case" in self._kind(name).name for name in key):
            raise BindingError("the drain refuses it as soon as it sees the live collation")
        prefix = _prefix(write, place)
        columns = {name: prefix + name for name in names} if prefix else None
        if write.mode == "append":
            return Append(table, columns)
        if write.mode == "increment":
            add = {name: prefix + name for name in names if name not in key}
            of_key = {name: field for name, field in (columns or {}).items() if name in key}
            return Increment(table, key=key, add=add, columns=of_key)
        return (Upsert if write.mode == "upsert" else Delete)(
            table, key=key, version=self._version(write), columns=columns
        )

    def _optional(self, name: str) -> Any:
        return self._kind(name).field | None

    def _kind(self, name: str) -> Kind:
        name = name.rpartition("_")[2]
        number = int(name[1:])
        return self.key[number] if name[0] == "k" else self.columns[number][0]

    def clean(self, engine: Engine) -> None:
        """Empty the tables, the ledger and the tombstones."""
        names = ", ".join(table.name for table in self.tables.values())
        with engine.begin() as connection:
            connection.execute(text(f"TRUNCATE {names}, penstock.ledger, penstock.tombstone"))

    def drop(self, engine: Engine) -> None:
        """Drop the tables."""
        for table in self.tables.values() if self.accepted else ():
            table.drop(engine)

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
        """Hold the ledger against the tables.

        A row that an upsert left belongs to an applied intent. An intent has its rows in the log if it was
        applied, whatever it wrote elsewhere, and none otherwise.
        """
        main, log = self.tables["main"], self.tables["log"]
        with engine.connect() as connection:
            rows = connection.execute(select(ledger.c.id, ledger.c.outcome)).all()
            own = "intent_id" in main.c
            written = {*connection.scalars(select(main.c.intent_id))} if own else set()
            logged = Counter(connection.scalars(select(log.c.intent_id)))
        known = {row.id: row.outcome for row in rows}
        assert known.keys() == {intent.intent_id for intent in self.intents}
        assert all(known[id_] == "applied" for id_ in written), (self, known)
        expected: Counter[UUID] = Counter()
        for intent, (kind, _) in zip(self.intents, self.picks, strict=True):
            appends = sum(write.target == "log" for write in self.kinds[kind])
            if appends and known[intent.intent_id] != "dead":
                assert known[intent.intent_id] == "applied", (self, known)
                expected[intent.intent_id] = appends
        assert logged == expected, (self, known, logged)
        refusable = any(write.mode == "append" and write.target != "log" for write in self.writes)
        if self.unique is None and not refusable:
            assert "dead" not in known.values(), (self, known)

    def rows(self, engine: Engine) -> Any:
        """Return the rows, keys in the form that equal keys share; None if a second constraint refused some."""
        with engine.connect() as connection:
            refused = connection.scalar(select(ledger.c.id).where(ledger.c.outcome == "dead").limit(1))
            return (
                None
                if refused
                else {name: self._rows_of(connection, table) for name, table in self.tables.items()}
            )

    def _rows_of(self, connection: Connection, table: Table) -> list[str]:
        columns = [column for column in table.c if column.name != "intent_id"]
        found = connection.execute(select(*columns)).all() if columns else []
        keys = [n for n, column in enumerate(columns) if column.primary_key]
        forms = {n: self.key[place].form for place, n in enumerate(keys)}
        return sorted(repr([forms[n](v) if n in forms else str(v) for n, v in enumerate(row)]) for row in found)


def _prefix(write: Write, place: int) -> str:
    return f"w{place}_" if write.renamed else ""


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
        write = st.builds(
            Write,
            mode=st.sampled_from(["upsert", "upsert", "delete", "increment", "append"]),
            version=numbers,
            columns=st.lists(numbers, unique=True, max_size=3).map(lambda some: tuple(sorted(some))),
            swapped=st.sampled_from([False, False, False, True]),
            target=st.sampled_from(["main", "main", "other"]),
            renamed=st.sampled_from([False, False, True]),
        )
        log = write.map(lambda one: one._replace(mode="append", target="log", swapped=False))
        alone = st.tuples(write.map(lambda one: one._replace(renamed=False)))
        kinds = pick(
            st.lists(
                alone | st.tuples(write, log) | st.tuples(write, write) | st.tuples(write, write, log),
                min_size=1,
                max_size=3,
            )
        )
        places = st.lists(st.integers(0, 5), min_size=6, max_size=6).map(tuple)
        picks = st.lists(st.tuples(st.integers(0, len(kinds) - 1), places), min_size=2, max_size=8)
        return Service(
            key=pick(st.lists(one, min_size=1, max_size=2)),
            columns=columns,
            unique=pick(st.none() | st.none() | numbers),
            fewer=pick(st.lists(numbers, unique=True, min_size=1).map(lambda some: tuple(sorted(some)))),
            kinds=kinds,
            picks=pick(picks),
        )

    return draw()
