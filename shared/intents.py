"""The shop's write intents."""

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field

from penstock import UtcDatetime, WriteIntent

Sku = Annotated[str, Field(min_length=1, max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=2000)]


class PageViewed(WriteIntent, kind="page.viewed"):
    """A visitor viewed a page."""

    path: Text
    visitor: UUID
    referrer: Text | None = None
    viewed_at: UtcDatetime
    duration_ms: Annotated[int, Field(ge=0, lt=2**31)] | None = None


class OrderPlaced(WriteIntent, kind="order.placed"):
    """A customer placed an order."""

    order_id: UUID
    customer: Text
    total: Annotated[Decimal, Field(ge=0, max_digits=12, decimal_places=2)]
    placed_at: UtcDatetime


class OrderStatusChanged(WriteIntent, kind="order.status_changed"):
    """The status of an order changed."""

    order_id: UUID
    status: Literal["paid", "packed", "shipped", "delivered", "cancelled"]
    changed_at: UtcDatetime


class StockAdjusted(WriteIntent, kind="stock.adjusted"):
    """The quantity in stock changed."""

    sku: Sku
    delta: Annotated[int, Field(ge=-(2**31), lt=2**31)]


class EmailRequested(WriteIntent, kind="email.requested"):
    """An e-mail should be sent. With pictures it is larger than an SQS message."""

    to: Annotated[str, Field(min_length=3, max_length=320, pattern=r"^[^@\s]+@[^@\s]+$")]
    subject: Annotated[str, Field(max_length=200)]
    body: Annotated[str, Field(max_length=3_500_000)]
