"""Declared types compared with live ones."""

from typing import Any

import pytest
from sqlalchemy import (
    ARRAY,
    JSON,
    BigInteger,
    Column,
    Engine,
    Float,
    Integer,
    LargeBinary,
    MetaData,
    Numeric,
    SmallInteger,
    String,
    Table,
    Text,
    TypeDecorator,
)
from sqlalchemy.dialects.postgresql import DOMAIN, JSONB, TIMESTAMP
from sqlalchemy.types import UserDefinedType

from penstock import WriteIntent
from penstock.consumer import Append
from penstock.consumer.schema_check.check import check_schema
from tests.support.schema_check import FAULT, execute, make_drain, safely


class Named(UserDefinedType[Any]):
    def __init__(self, name: str) -> None:
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        return self.name


class Secret(TypeDecorator[bytes]):
    impl = LargeBinary


@pytest.mark.parametrize(
    ("declared", "live", "agrees"),
    [
        (SmallInteger, "integer", True),
        (BigInteger, "numeric(18)", False),
        (BigInteger, "numeric(21, 2)", True),
        (Numeric, "numeric(30, 2)", False),
        (Numeric, "double precision", False),
        (Float, "double precision", True),
        (Float(24), "real", True),
        (Float(53), "real", False),
        (String, "text", True),
        (Text, "character varying", True),
        (Text, "uuid", False),
        (String(5, collation="C"), 'varchar(5) COLLATE "C"', True),
        (TIMESTAMP(timezone=True, precision=3), "timestamp(3) with time zone", True),
        (TIMESTAMP(timezone=True, precision=4), "timestamp(3) with time zone", False),
        (JSON, "jsonb", True),
        (JSONB, "json", True),
        (JSONB, "text", False),
        (ARRAY(Integer), "bigint[]", True),
        (ARRAY(Integer), "smallint[]", False),
        (ARRAY(Integer), "integer", False),
        (ARRAY(String(3)), "varchar(2)[]", False),
        (DOMAIN("short", String(3)), "short", True),
        (DOMAIN("short", String(3)), "varchar(2)", False),
        (Named("POINT"), "point", True),
        (Named("BOX"), "point", False),
        (Secret, "bytea", True),
    ],
)
def test_types_are_compared_by_their_values(engine: Engine, declared: Any, live: str, agrees: bool) -> None:
    """A type that holds every value of the declared one passes, and so does an unknown one."""
    execute(engine, "CREATE DOMAIN short AS varchar(3)", f"CREATE TABLE typed (value {live})")

    class Typed(WriteIntent, kind="typed"):
        value: Any

    drain = make_drain(None, (Typed, Append(Table("typed", MetaData(), Column("value", declared)))))
    findings = safely(check_schema(engine, drain))
    assert (findings == []) is agrees
    assert {(one.column, one.field) for one in findings} <= {("value", "value")}


def test_a_type_that_postgres_cannot_read_is_found(engine: Engine) -> None:
    """A declared type that is no type of Postgres's is a fault, as the statement cannot be planned."""
    execute(engine, "CREATE TABLE typed (value point)")

    class Odd(WriteIntent, kind="odd"):
        value: str

    table = Table("typed", MetaData(), Column("value", Named("1 + 1")))
    (finding,) = safely(check_schema(engine, make_drain(None, (Odd, Append(table)))))
    assert (finding.severity, finding.kind) == (FAULT, "odd")
    assert "(42601)" in finding.problem
