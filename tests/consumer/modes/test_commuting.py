"""Bindings that share a table: what does not commute is refused when it is bound."""

from typing import Any

import pytest
from sqlalchemy import Column, Integer, MetaData, Table, Text, UniqueConstraint, text

from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Delete, Drain, Increment, Upsert


class Named(WriteIntent, kind="named"):
    key: str
    version: int
    name: str


class Sized(WriteIntent, kind="sized"):
    key: str
    size_version: int
    size: int


class Added(WriteIntent, kind="added"):
    key: str
    delta: int


class AddedElsewhere(WriteIntent, kind="added.elsewhere"):
    other_key: str
    delta: int


class Removed(WriteIntent, kind="removed"):
    key: str
    version: int


class RemovedElsewhere(WriteIntent, kind="removed.elsewhere"):
    other_key: str
    version: int


class Versioned(WriteIntent, kind="versioned"):
    key: str
    version: int


def things(**defaults: str) -> Table:
    def column(name: str, type_: Any, **options: Any) -> Column[Any]:
        default = text(defaults[name]) if name in defaults else None
        return Column(name, type_, server_default=default, **options)

    return Table(
        "things",
        MetaData(),
        column("key", Text, unique=True),
        column("other_key", Text, unique=True),
        column("version", Integer),
        column("name", Text),
        column("size_version", Integer),
        column("size", Integer),
        column("total", Integer),
        UniqueConstraint("key", "version"),
    )


def named(table: Table) -> tuple[type[WriteIntent], Any]:
    return Named, Upsert(table, key="key", version="version")


def sized(table: Table) -> tuple[type[WriteIntent], Any]:
    return Sized, Upsert(table, key="key", version="size_version")


def added(table: Table, column: str = "total") -> tuple[type[WriteIntent], Any]:
    return Added, Increment(table, key="key", add={column: "delta"})


def removed(table: Table) -> tuple[type[WriteIntent], Any]:
    return Removed, Delete(table, key="key", version="version")


THINGS = things()
REFUSED = [
    ([named(THINGS), added(THINGS, "version")], "column 'version' is added to by an Increment and overwritten"),
    ([sized(THINGS), added(THINGS, "size")], "column 'size' is added to by an Increment and overwritten"),
    (
        [named(THINGS), (AddedElsewhere, Increment(THINGS, key="other_key", add={"total": "delta"}))],
        "by the key key, this one by other_key",
    ),
    (
        [named(THINGS), (RemovedElsewhere, Delete(THINGS, key="other_key", version="version"))],
        "by the key key, this one by other_key",
    ),
    ([named(THINGS), sized(things())], "bound to another Table object of the same name"),
    ([named(table := things(total="5")), added(table)], "column 'total' has a server default other than 0"),
    ([named(table := things(name="'x'")), sized(table), removed(table)], "column 'name' has a server default"),
    ([named(table := things(size_version="9")), sized(table)], "column 'size_version' has a server default"),
    ([named(table := things(version="9")), added(table)], "column 'version' has a server default"),
    (
        [(Versioned, Upsert(THINGS, key=["key", "version"], version="version"))],
        "column 'version' is part of the key and is the version too",
    ),
    (
        [(Versioned, Delete(THINGS, key=["key", "version"], version="version"))],
        "column 'version' is part of the key and is the version too",
    ),
    ([named(THINGS), (Removed, Append(things(), columns={}))], "bound to another Table object"),
]


@pytest.mark.parametrize(("bindings", "why"), REFUSED, ids=range(len(REFUSED)))
def test_bindings_that_do_not_commute_are_refused(bindings: list[tuple[Any, Any]], why: str) -> None:
    """Whichever of them is bound last is refused with the reason, and the drain keeps the others."""
    for order in (bindings, bindings[::-1]):
        drain = Drain()
        for binding in order[:-1]:
            drain.write(*binding)
        if len(order) > 1 and "by the key" in why:
            why = "so the result would depend on the order: use one key"
        with pytest.raises(BindingError, match=why):
            drain.write(*order[-1])
        assert len(drain.bound()) == len(order) - 1 if len(order) > 1 else True


@pytest.mark.parametrize(
    "bindings",
    [
        [named(table := things(total="0")), added(table)],
        [named(table := things(total="'0'")), sized(table), added(table)],
        [named(table := things()), sized(table), removed(table)],
        [named(table := things(name="'x'")), sized(table)],
        [(Versioned, Upsert(table := things(), key="key", version="version")), removed(table)],
    ],
)
def test_bindings_that_commute_are_accepted(bindings: list[tuple[Any, Any]]) -> None:
    """Modes with one key and columns of their own share a table."""
    drain = Drain()
    for binding in bindings:
        drain.write(*binding)
    assert len(drain.bound()) == len(bindings)
