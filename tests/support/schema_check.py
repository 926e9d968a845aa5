"""A drain of every write mode, and its tables, for checks of the schema."""

import enum
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Enum,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Delete, Drain, Increment, Upsert
from penstock.consumer.schema_check.check import check_schema
from penstock.consumer.schema_check.finding import Finding, Severity
from penstock.testing import MemoryQueue

SCHEMA = "Ware House"
ORDERS = f'"{SCHEMA}"."Our Orders"'
FAULT, WARNING, NOTE = Severity


metadata = MetaData()


class State(enum.Enum):
    OPEN = "open"
    SHUT = "it's shut"


orders = Table(
    "Our Orders",
    metadata,
    Column("Region", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("Customer Name", String(20), key="customer"),
    Column("total", Numeric(12, 2)),
    Column("placed_at", DateTime(timezone=True)),
    Column(
        "state",
        Enum(
            State,
            name="Order State",
            schema=SCHEMA,
            metadata=metadata,
            values_callable=lambda states: [state.value for state in states],
        ),
    ),
    Column("changed_at", DateTime(timezone=True)),
    schema=SCHEMA,
)


stock = Table(
    "stock",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("quantity", Integer, nullable=False, server_default="0"),
)


class Base(DeclarativeBase):
    metadata = metadata


class Visit(Base):
    __tablename__ = "Visits"
    number: Mapped[int] = mapped_column(primary_key=True)
    intent_id: Mapped[UUID]
    path: Mapped[str] = mapped_column("The Path", key="path")
    referrer: Mapped[str | None]


class Placed(WriteIntent, kind="placed"):
    region: str
    number: int
    customer: str
    total: int | None = None
    placed_at: AwareDatetime


class Changed(WriteIntent, kind="changed"):
    region: str
    number: int
    state: State
    changed_at: AwareDatetime


class Removed(WriteIntent, kind="removed"):
    region: str
    number: int
    placed_at: AwareDatetime


class Adjusted(WriteIntent, kind="adjusted"):
    sku: str
    delta: int


class Visited(WriteIntent, kind="visited"):
    path: str
    referrer: str | None = None


class Mailed(WriteIntent, kind="mailed"):
    to: str


def nothing(connection: Connection, intents: Sequence[Any]) -> None:
    """Do nothing."""


def make_drain(engine: Engine | None = None, *modes: tuple[type[WriteIntent], Any]) -> Drain:
    """Make a drain of the given modes, or of all modes if none are given."""
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    key = {"Region": "region"}
    all_modes: tuple[tuple[type[WriteIntent], Any], ...] = (
        (Placed, Upsert(orders, key=["Region", "number"], version="placed_at", columns=key)),
        (Changed, Upsert(orders, key=["Region", "number"], version="changed_at", columns=key)),
        (Removed, Delete(orders, key=["Region", "number"], version="placed_at", columns=key)),
        (Adjusted, Increment(stock, key="sku", add={"quantity": "delta"})),
        (Visited, Append(Visit)),
        (Mailed, Custom(nothing)),
    )
    for intent, mode in modes or all_modes:
        drain.write(intent, mode)
    return drain


def create_tables(engine: Engine) -> None:
    """Create all the tables that the drain writes to."""
    execute(engine, f'CREATE SCHEMA "{SCHEMA}"')
    metadata.create_all(engine)


def execute(engine: Engine, *statements: str) -> None:
    """Execute statements, each in its own transaction."""
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        for statement in statements:
            connection.exec_driver_sql(statement)


def check(engine: Engine, drain: Drain | None = None) -> list[Finding]:
    """Return the findings, without the note on the kind of the mode `Custom` and those on the test server."""
    return [finding for finding in safely(check_schema(engine, drain or make_drain())) if finding.kind != "mailed"]


def safely(findings: Sequence[Finding]) -> list[Finding]:
    """Return the findings without those on the settings that make the test server fast and unsafe."""
    unsafe = ("synchronous_commit is off", "fsync is off", "full_page_writes is off")
    return [finding for finding in findings if not finding.problem.startswith(unsafe)]
