"""Bindings whose result would depend on the order of intents are refused, each with its reason."""

from collections.abc import Callable
from typing import Any

import pytest
from pydantic import AwareDatetime
from sqlalchemy import ARRAY, JSON, Column, DateTime, Integer, MetaData, Table, Text, UniqueConstraint, func
from sqlalchemy.dialects.postgresql import HSTORE, INT4RANGE, JSONB

from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Delete, Drain, Increment, Upsert


class Put(WriteIntent, kind="c.put"):
    k: str
    n: int
    v: int


class Named(WriteIntent, kind="c.named"):
    k: str
    name: str
    w: int


class Added(WriteIntent, kind="c.added"):
    k: str
    n: int


class AddedMore(WriteIntent, kind="c.added-more"):
    k: str
    total: int


class Gone(WriteIntent, kind="c.gone"):
    k: str
    v: int


class GoneByOther(WriteIntent, kind="c.gone-by-other"):
    other: str
    v: int


class GoneByName(WriteIntent, kind="c.gone-by-name"):
    k: str
    name: str


class Keyed(WriteIntent, kind="c.keyed"):
    k: str


class Tagged(WriteIntent, kind="c.tagged"):
    k: str
    tags: set[str]
    v: int


class Documented(WriteIntent, kind="c.documented"):
    k: str
    v: dict[str, int]


class Spelled(WriteIntent, kind="c.spelled"):
    k: str
    v: str


class Timed(WriteIntent, kind="c.timed"):
    k: str
    n: int


def table(**defaults: Any) -> Table:
    """Make a table whose columns have server defaults as given."""
    columns: dict[str, Any] = {"k": Text, "other": Text, "n": Integer, "v": Integer, "name": Text, "w": Integer}
    columns |= {"total": Integer, "tags": ARRAY(Text), "at": DateTime(timezone=True)}
    made = [
        Column(name, type_, primary_key=name == "k", server_default=defaults.get(name))
        for name, type_ in columns.items()
    ]
    return Table("c", MetaData(), *made, UniqueConstraint("other"))


Bindings = list[tuple[type[WriteIntent], Any]]


def _together(make: Callable[[Table], Bindings], **defaults: Any) -> Callable[[], Bindings]:
    return lambda: make(table(**defaults))


def _versioned_by(type_: Any, intent: type[WriteIntent]) -> Callable[[], Bindings]:
    d = Table("d", MetaData(), Column("k", Text, primary_key=True), Column("v", type_))
    return lambda: [(intent, Upsert(d, key="k", version="v"))]


def _deleted_by(type_: Any) -> Callable[[], Bindings]:
    d = Table("d", MetaData(), Column("k", type_, primary_key=True), Column("v", Integer))
    return lambda: [(Gone, Delete(d, key="k", version="v"))]


def put(c: Table) -> tuple[type[WriteIntent], Any]:
    return Put, Upsert(c, key="k", version="v")


def named(c: Table) -> tuple[type[WriteIntent], Any]:
    return Named, Upsert(c, key="k", version="w")


def gone(c: Table) -> tuple[type[WriteIntent], Any]:
    return Gone, Delete(c, key="k", version="v")


def totalled(c: Table) -> tuple[type[WriteIntent], Any]:
    return AddedMore, Increment(c, key="k", add={"total": "total"})


def gone_by_name(c: Table) -> tuple[type[WriteIntent], Any]:
    return GoneByName, Delete(c, key="k", version="name")


NO_ORDER = r"column 'v': a version must say which of two is newer"
NO_FORM = r"column 'k': rows of the table are deleted, and a tombstone cannot hold a key of type"
REFUSED: list[tuple[str, Callable[[], Bindings]]] = [
    (
        r"column 'n' is added to, and an Upsert of the table writes it",
        _together(lambda c: [put(c), (Added, Increment(c, key="k", add={"n": "n"}))]),
    ),
    (
        r"finds the rows of the table by the key '(k|other)', and this one by '(k|other)'",
        _together(lambda c: [put(c), (GoneByOther, Delete(c, key="other", version="v"))]),
    ),
    (
        r"column 'total' has a server default, to which is added only if",
        _together(lambda c: [put(c), totalled(c)], total="5"),
    ),
    (r"column 'v' has a server default, which would count", _together(lambda c: [put(c), totalled(c)], v="5")),
    (r"column 'w' has a server default, which would count", _together(lambda c: [put(c), named(c)], w=func.now())),
    (
        r"column 'name' has a server default, but a Delete sets the column to null",
        _together(lambda c: [put(c), named(c), gone(c)], name="x"),
    ),
    (r"column 'v' has a server default, which would count", _together(lambda c: [put(c), totalled(c)], v="0")),
    (
        r"column 'total' has a server default, to which is added only if",
        _together(lambda c: [totalled(c), (Added, Increment(c, key="k", add={"n": "n"}))], total="5"),
    ),
    (
        r"deletes rows of the table by the version '(v|name)', this one by '(v|name)'",
        _together(lambda c: [gone(c), gone_by_name(c)]),
    ),
    (r"`add` is empty: name at least one column", lambda: [(Keyed, Increment(table(), key="k", add={}))]),
    (r"has another Table object of the same name: bind both", lambda: [put(table()), totalled(table())]),
    (r"has another Table object of the same name: bind both", lambda: [put(table()), (Added, Append(table()))]),
    (
        r"column 'v' is the version and a part of the key",
        lambda: [
            (
                Gone,
                Upsert(
                    Table(
                        "d",
                        MetaData(),
                        Column("k", Text, primary_key=True),
                        Column("v", Integer, primary_key=True),
                    ),
                    key=["k", "v"],
                    version="v",
                ),
            )
        ],
    ),
    *((NO_ORDER, _versioned_by(type_, Documented)) for type_ in (JSON(), JSONB())),
    *((NO_ORDER, _versioned_by(type_, Spelled)) for type_ in (HSTORE(), INT4RANGE())),
    (
        r"field 'tags', column 'tags': the order of a set differs between processes",
        _together(lambda c: [(Tagged, Upsert(c, key="k", version="v"))]),
    ),
    *((NO_FORM, _deleted_by(type_)) for type_ in (HSTORE(), INT4RANGE(), JSONB())),
]


def bind(drain: Drain, bindings: Bindings) -> None:
    for intent, mode in bindings:
        drain.write(intent, mode)


@pytest.mark.parametrize(("reason", "make"), REFUSED)
def test_what_does_not_commute_is_refused(reason: str, make: Callable[[], Bindings]) -> None:
    """Modes that would leave another table in another order are refused, whichever of them is bound first."""
    for step in (1, -1):
        drain, bindings = Drain(), make()[::step]
        with pytest.raises(BindingError, match=reason):
            bind(drain, bindings)
        assert len(drain.bound()) == len(bindings) - 1


ACCEPTED: list[Callable[[], Bindings]] = [
    _together(lambda c: [put(c), totalled(c)], total="0"),
    _together(lambda c: [put(c), named(c)], name="x"),
    _together(lambda c: [put(c), gone(c)], n="7"),
    _together(lambda c: [put(c), named(c), gone(c)]),
]


@pytest.mark.parametrize("make", ACCEPTED)
def test_what_commutes_is_accepted(make: Callable[[], Bindings]) -> None:
    """A default that decides nothing is accepted."""
    bind(Drain(), make())


class Aware(WriteIntent, kind="c.aware"):
    k: str
    at: AwareDatetime


def test_a_version_that_is_the_intents_time_is_accepted() -> None:
    """An upsert may take its version from the intent's time."""
    Drain().write(Timed, Upsert(table(), key="k", version="at", columns={"at": "intent_time"}))
    Drain().write(Aware, Upsert(table(), key="k", version="at"))


def test_another_kind_on_the_table_builds_statements_again() -> None:
    """What else is written to a table changes the statements of a kind: those built before it are not used."""
    drain, things = Drain(), table()
    drain.write(Put, Upsert(things, key="k", version="v"))
    (alone,) = drain.bound()
    drain.write(Gone, Delete(things, key="k", version="v"))
    (beside,) = (bound for bound in drain.bound() if bound.kind == "c.put")
    assert str(alone.parts[0].write.first_statement) != str(beside.parts[0].write.first_statement)
