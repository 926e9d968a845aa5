"""The tables of the transport benchmark: a narrow one, a wide one, and one with documents and arrays."""

import enum
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from pydantic import AwareDatetime
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Date,
    DateTime,
    Double,
    Enum,
    Integer,
    MetaData,
    Numeric,
    String,
    Table,
    Text,
    Uuid,
)
from sqlalchemy.dialects.postgresql import JSONB

from penstock import WriteIntent

metadata = MetaData()
_random = random.Random(20_261_120)  # noqa: S311 (the same intents in every run)
_START = datetime(2026, 11, 20, 10, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Case:
    """A table and the intents that are written to it.

    Attributes:
        name: the name in the report.
        intent: the intent class.
        table: the table.
        make: makes one intent.
    """

    name: str
    intent: type[WriteIntent]
    table: Table
    make: Callable[[], WriteIntent]


class Reading(WriteIntent, kind="bench.narrow"):
    """Three plain fields."""

    device: UUID
    at: AwareDatetime
    value: float


class Invoice(WriteIntent, kind="bench.wide"):
    """Twenty plain fields."""

    number: str
    customer: UUID
    email: str
    street: str
    city: str
    country: str
    currency: str
    note: str | None
    issued_on: date
    due_on: date
    created_at: AwareDatetime
    changed_at: AwareDatetime
    net: Decimal
    tax: Decimal
    gross: Decimal
    discount: Decimal | None
    lines: int
    version: int
    paid: bool
    weight: float


class Grade(enum.Enum):
    """Values of an enumerated type."""

    LOW = "low"
    HIGH = "high"


class Article(WriteIntent, kind="bench.documents"):
    """Four plain fields, an object, two lists and an enum."""

    sku: str
    title: str
    price: Decimal
    changed_at: AwareDatetime
    grade: Grade
    tags: list[str]
    sizes: list[int]
    attributes: dict[str, Any]


_readings = Table(
    "bench_readings",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("device", Uuid, nullable=False),
    Column("at", DateTime(timezone=True), nullable=False),
    Column("value", Double, nullable=False),
)
_invoices = Table(
    "bench_invoices",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("customer", Uuid, nullable=False),
    *(Column(name, Text, nullable=False) for name in ("number", "email", "street", "city")),
    Column("country", String(2), nullable=False),
    Column("currency", String(3), nullable=False),
    Column("note", Text),
    *(Column(name, Date, nullable=False) for name in ("issued_on", "due_on")),
    *(Column(name, DateTime(timezone=True), nullable=False) for name in ("created_at", "changed_at")),
    *(Column(name, Numeric(12, 2)) for name in ("net", "tax", "gross", "discount")),
    Column("lines", Integer, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("paid", Boolean, nullable=False),
    Column("weight", Double, nullable=False),
)
_articles = Table(
    "bench_articles",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("sku", Text, nullable=False),
    Column("title", Text, nullable=False),
    Column("price", Numeric(12, 2), nullable=False),
    Column("changed_at", DateTime(timezone=True), nullable=False),
    Column("grade", Enum(Grade, name="bench_grade"), nullable=False),
    Column("tags", ARRAY(Text), nullable=False),
    Column("sizes", ARRAY(Integer), nullable=False),
    Column("attributes", JSONB, nullable=False),
)


def _reading() -> Reading:
    return Reading(device=_uuid(), at=_time(), value=_random.random() * 100)


def _invoice() -> Invoice:
    net = Decimal(_random.randrange(1_000_000)) / 100
    tax = (net / 5).quantize(Decimal("0.01"))
    created = _time()
    return Invoice(
        number=f"INV-{_random.randrange(10**8):08}",
        customer=_uuid(),
        email=f"customer-{_random.randrange(100_000)}@example.com",
        street=f"{_random.randrange(300)} High Street",
        city=_random.choice(["Lisbon", "Oslo", "Málaga", "Kraków"]),
        country=_random.choice(["PT", "NO", "ES", "PL"]),
        currency="EUR",
        note='Called "twice", no answer\nwrite again' if _random.random() < 0.2 else None,  # noqa: PLR2004
        issued_on=created.date(),
        due_on=created.date() + timedelta(days=30),
        created_at=created,
        changed_at=created + timedelta(hours=1),
        net=net,
        tax=tax,
        gross=net + tax,
        discount=None,
        lines=_random.randrange(1, 40),
        version=_random.randrange(10**12),
        paid=_random.random() < 0.5,  # noqa: PLR2004
        weight=_random.random() * 30,
    )


def _article() -> Article:
    return Article(
        sku=f"SKU-{_random.randrange(10**8):08}",
        title=f"Article {_random.randrange(10**6)} in a box",
        price=Decimal(_random.randrange(1_000_000)) / 100,
        changed_at=_time(),
        grade=_random.choice([*Grade]),
        tags=_random.sample(["new", "sale", "garden", "kitchen", "outdoor"], 3),
        sizes=_random.sample(range(30, 50), 4),
        attributes={"colour": "red", "origin": {"country": "PT", "plant": 7}, "ratings": [4, 5, 3.5]},
    )


def _uuid() -> UUID:
    return UUID(int=_random.getrandbits(128), version=4)


def _time() -> datetime:
    return _START + timedelta(microseconds=_random.randrange(86_400_000_000))


CASES = (
    Case("narrow", Reading, _readings, _reading),
    Case("wide", Invoice, _invoices, _invoice),
    Case("documents", Article, _articles, _article),
)
"""The narrow table has 3 plain fields, the wide one 20, and the one with an object, lists and an enum 4."""
