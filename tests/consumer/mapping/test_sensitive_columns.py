"""Which columns a Sensitive field may go to."""

from typing import Any

import pytest
from sqlalchemy import (
    CHAR,
    JSON,
    Column,
    Enum,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import CITEXT, INET, JSONB

from penstock import Sensitive, WriteIntent
from penstock.consumer import Append, BindingError, Delete, Drain, Increment, Upsert
from penstock.consumer.modes.base import WriteMode


class Made(WriteIntent, kind="made"):
    name: Sensitive[str]
    size: int


def bind(mode: WriteMode) -> None:
    Drain().write(Made, mode)


def table(type_: Any, *constraints: Any) -> Table:
    name = Column("name", type_, *constraints, nullable=False, unique=True)
    return Table("made", MetaData(), Column("intent_id", Uuid, primary_key=True), name, Column("size", Integer))


@pytest.mark.parametrize("type_", [Text(), String(), String(20), CHAR(20), CITEXT()])
def test_a_text_column_is_accepted(type_: Any) -> None:
    """Every type of text takes a Sensitive text."""
    bind(Append(table(type_)))


@pytest.mark.parametrize("type_", [JSON(), JSONB(), LargeBinary(), Enum("a", name="e"), INET(), Integer(), Uuid()])
def test_another_column_is_refused(type_: Any) -> None:
    """Any other type is refused when the binding is made."""
    with pytest.raises(BindingError, match="field 'name', column 'name': a Sensitive text cannot be stored"):
        bind(Append(table(type_)))


@pytest.mark.parametrize(
    "mode",
    [Upsert(table(Text), key="name", version="size"), Increment(table(Text), key="name", add={"size": "size"})],
)
def test_a_key_is_refused(mode: WriteMode) -> None:
    """Postgres shows keys in its errors, and tombstones keep them: a Sensitive field cannot be one."""
    with pytest.raises(BindingError, match="is Sensitive, but column 'name' is part of the key"):
        bind(mode)


def test_a_key_of_a_delete_is_refused() -> None:
    """A tombstone would keep the text."""

    class Removed(WriteIntent, kind="removed"):
        name: Sensitive[str]
        version: int

    made = Table(
        "m", MetaData(), Column("name", Text, primary_key=True), Column("version", Integer, nullable=False)
    )
    with pytest.raises(BindingError, match="is Sensitive, but column 'name' is part of the key"):
        Drain().write(Removed, Delete(made, key="name", version="version"))


def test_a_reference_is_refused() -> None:
    """A foreign key on it is refused: Postgres names the missing value in its error."""
    other = Column("name", Text, primary_key=True)
    Table("other", MetaData(), other)
    with pytest.raises(BindingError, match="a Sensitive field cannot refer to another row"):
        bind(Append(table(Text, ForeignKey(other))))


def test_a_value_that_an_upsert_compares_is_accepted() -> None:
    """Rows of equal versions are settled by the plaintexts, in Postgres, as those of any text."""
    size, name = Column("size", Integer, nullable=False), Column("name", Text, nullable=False)
    made = Table("made", MetaData(), Column("intent_id", Uuid, primary_key=True), size, name)
    bind(Upsert(made, key="intent_id", version="size"))


def test_a_value_inside_of_another_is_refused_when_bound() -> None:
    """A list of Sensitive texts is refused with the binding, not with the first message."""

    class Many(WriteIntent, kind="many"):
        names: list[Sensitive[str]]

    with pytest.raises((BindingError, TypeError), match="Sensitive value inside of another type"):
        Drain().write(Many, Append(Table("m", MetaData(), Column("names", JSONB))))
