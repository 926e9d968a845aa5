"""Which kind lands where."""

from consumer.tables import emails_requested, order_status_changes, orders_placed, page_views, stock_adjustments
from penstock.consumer import Append, Drain
from shared.intents import EmailRequested, OrderPlaced, OrderStatusChanged, PageViewed, StockAdjusted

drain = Drain()
drain.write(PageViewed, Append(page_views))
drain.write(OrderPlaced, Append(orders_placed))
drain.write(OrderStatusChanged, Append(order_status_changes))
drain.write(StockAdjusted, Append(stock_adjustments))
drain.write(EmailRequested, Append(emails_requested))
