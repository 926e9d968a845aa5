"""Stock."""

from typing import Any

from penstock import accepted
from penstock.producer.http.api import HttpApi
from shared.intents import StockAdjusted

api = HttpApi()


@api.post("/stock/<sku>/adjustments")
def adjust_stock(sku: str) -> dict[str, Any]:
    """Adjust the stock of an article."""
    return accepted(api.emit(api.intent(StockAdjusted, sku=sku)))


handler = api.resolve
