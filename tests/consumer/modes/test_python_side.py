"""Columns that SQLAlchemy processes in Python: a binding that would bypass that is refused."""

import uuid
from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    Column,
    DateTime,
    FetchedValue,
    Integer,
    LargeBinary,
    MetaData,
    PickleType,
    Sequence,
    String,
    Table,
    Text,
    TypeDecorator,
    Uuid,
    func,
)
from sqlalchemy.types import UserDefinedType

from penstock import WriteIntent
from penstock.consumer import Append, BindingError, Delete, Upsert


class Noted(WriteIntent, kind="noted"):
    value: Any


class Named(WriteIntent, kind="named"):
    name: str
    version: int


class Encrypted(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, _dialect: Any) -> str | None:
        return value and value[::-1]


class Derived(Encrypted):
    pass


class Plain(TypeDecorator[str]):
    impl = Text
    cache_ok = True

    def process_result_value(self, value: str | None, _dialect: Any) -> str | None:
        return value


class Geometry(UserDefinedType[str]):
    cache_ok = True

    def get_col_spec(self, **_: Any) -> str:
        return "geometry"

    def bind_expression(self, bindvalue: Any) -> Any:
        return func.ST_GeomFromEWKT(bindvalue)


class Blob(LargeBinary):
    def bind_processor(self, _dialect: Any) -> Any:
        return lambda value: value


def table(*columns: Column[Any]) -> Table:
    return Table("things", MetaData(), *columns)


@pytest.mark.parametrize(
    ("type_", "hook"),
    [
        (Encrypted(), "Encrypted processes each value with `process_bind_param`"),
        (Derived(), "Derived processes each value with `process_bind_param`"),
        (ARRAY(Encrypted()), "Encrypted processes each value with `process_bind_param`"),
        (Geometry(), "Geometry processes each value with `bind_expression`"),
        (Blob(), "Blob processes each value with `bind_processor`"),
        (PickleType(), "PickleType processes each value with `bind_processor`"),
    ],
)
def test_a_type_that_processes_values_is_refused(type_: Any, hook: str) -> None:
    """A type whose processing would be bypassed, as an encrypted column's, is refused when it is bound."""
    with pytest.raises(BindingError, match=f"field 'value', column 'value': the column's type {hook}"):
        Append(table(Column("value", type_))).bind(Noted)


@pytest.mark.parametrize("type_", [Plain(), Text(), String(5), ARRAY(Integer)])
def test_a_type_that_only_wraps_another_is_bound(type_: Any) -> None:
    """A type without processing of its own is bound as before."""
    Append(table(Column("value", type_))).bind(Noted)


def keyed(*columns: Column[Any]) -> Table:
    return table(Column("name", Text, primary_key=True), Column("version", Integer), *columns)


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (Column("made_by", Text, default="me"), "its `default` would not run: use `server_default`"),
        (Column("token", Uuid, default=uuid.uuid4), "its `default` would not run"),
        (Column("made_at", DateTime, default=func.now()), "its `default` would not run"),
        (Column("changed_at", DateTime, onupdate=func.now()), "its `onupdate` would not run: use a trigger"),
    ],
)
def test_a_default_that_would_not_run_is_refused(column: Column[Any], why: str) -> None:
    """A column that would be NULL, or stay old, because its default runs in Python is refused."""
    with pytest.raises(BindingError, match=f"column '{column.key}' gets no field, and {why}"):
        Upsert(keyed(column), key="name", version="version").bind(Named)


@pytest.mark.parametrize(
    "column",
    [
        Column("made_by", Text, default="me", server_default="me"),
        Column("number", Integer, Sequence("numbers"), server_default=FetchedValue()),
        Column("changed_at", DateTime, onupdate=func.now(), server_onupdate=FetchedValue()),
    ],
)
def test_a_default_of_the_server_is_enough(column: Column[Any]) -> None:
    """A default or an update that Postgres makes is accepted beside the one in Python."""
    Upsert(keyed(column), key="name", version="version").bind(Named)


def test_a_deletion_needs_no_default() -> None:
    """A mode that inserts nothing is not held to the defaults of other columns."""
    Delete(keyed(Column("made_by", Text, default="me")), key="name", version="version").bind(Named)
