"""Several writes in one request."""

from typing import Any

from penstock.producer.http.api import HttpApi
from shared.intents import PageViewed, StockAdjusted

api = HttpApi()


@api.post("/batches")
def take_batch() -> dict[str, Any]:
    """Accept a batch of page views and stock adjustments."""
    return api.batch(PageViewed, StockAdjusted)


handler = api.resolve
