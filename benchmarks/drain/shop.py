"""The measured part of the shop: the kinds without a `Custom` function, and the expected tables."""

import json
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import psycopg

from benchmarks.drain.events import DAY_MS, Event
from consumer.tables import orders, page_views, stock
from penstock.consumer import Append, Drain, Increment, Upsert
from shared.intents import OrderPlaced, OrderStatusChanged, PageViewed, StockAdjusted

SHOP = ("page_views", "orders", "stock")
"""The tables of the measured kinds."""

COLUMNS = ("intent_id", "path", "visitor", "referrer", "viewed_at", "duration_ms")
"""The columns of `page_views`, in the order of `ready_rows`."""


def bind_shop(drain: Drain) -> None:
    """Bind the kinds to the tables as the shop does."""
    drain.write(PageViewed, Append(page_views))
    drain.write(OrderPlaced, Upsert(orders, key="order_id", version="placed_at"))
    columns = {"status_changed_at": "changed_at"}
    drain.write(OrderStatusChanged, Upsert(orders, key="order_id", version="status_changed_at", columns=columns))
    drain.write(StockAdjusted, Increment(stock, key="sku", add={"quantity": "delta"}))


class TableState(NamedTuple):
    """The contents of the tables.

    Attributes:
        views: the number of page views.
        orders: the total and the status of each order.
        stock: the quantity of each SKU.
    """

    views: int
    orders: dict[str, tuple[Decimal | None, str | None]]
    stock: dict[str, int]


def read_tables(connection: psycopg.Connection) -> TableState:
    """Read the tables."""
    views = connection.execute("SELECT count(*) FROM page_views").fetchall()
    found = connection.execute("SELECT order_id::text, total, status FROM orders").fetchall()
    quantities = connection.execute("SELECT sku, quantity FROM stock").fetchall()
    return TableState(views[0][0], {id_: (total, status) for id_, total, status in found}, dict(quantities))


def expected_tables(events: Iterable[Event]) -> TableState:
    """Compute the contents of the tables after these events, in any order, with each id applied once."""
    bodies = (json.loads(record["body"]) for event in events for record in event["Records"])
    by_kind: dict[str, list[dict[str, Any]]] = {}
    for envelope in {body["id"]: body for body in bodies}.values():
        by_kind.setdefault(envelope["type"], []).append(envelope["data"])
    views = [view for view in by_kind.get("page.viewed", []) if view["duration_ms"] <= DAY_MS]
    placed = sorted(by_kind.get("order.placed", []), key=lambda order: datetime.fromisoformat(order["placed_at"]))
    changed = sorted(
        by_kind.get("order.status_changed", []), key=lambda change: datetime.fromisoformat(change["changed_at"])
    )
    totals = {order["order_id"]: Decimal(order["total"]) for order in placed}
    statuses = {change["order_id"]: change["status"] for change in changed}
    quantities: dict[str, int] = {}
    for adjusted in by_kind.get("stock.adjusted", []):
        quantities[adjusted["sku"]] = quantities.get(adjusted["sku"], 0) + adjusted["delta"]
    both = {id_: (totals.get(id_), statuses.get(id_)) for id_ in totals | statuses}
    return TableState(len(views), both, quantities)
