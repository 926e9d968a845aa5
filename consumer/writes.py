"""The table and the write mode of each kind."""

from consumer.outbox import request_emails
from consumer.tables import order_status_history, orders, page_views, stock
from penstock.consumer import Append, Custom, Drain, Increment, Upsert
from shared.intents import EmailRequested, OrderPlaced, OrderStatusChanged, PageViewed, StockAdjusted

drain = Drain()
drain.write(PageViewed, Append(page_views))
drain.write(OrderPlaced, Upsert(orders, key="order_id", version="placed_at"))
drain.write(
    OrderStatusChanged,
    Upsert(orders, key="order_id", version="status_changed_at", columns={"status_changed_at": "changed_at"}),
    Append(order_status_history),
)
drain.write(StockAdjusted, Increment(stock, key="sku", add={"quantity": "delta"}))
drain.write(EmailRequested, Custom(request_emails))
