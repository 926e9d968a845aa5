"""Several writes in one request."""

from typing import Any

from penstock.producer.http.api import HttpApi
from shared.intents import PageViewed, StockAdjusted

api = HttpApi()


@api.post("/batches")
def take_batch() -> dict[str, Any]:
    """Take page views and adjustments of stock, many at a time."""
    return api.batch(PageViewed, StockAdjusted)


handler = api.resolve
