"""Stock."""

from typing import Any

from penstock import accepted, emit
from penstock.producer.api import HttpApi
from shared.intents import StockAdjusted

api = HttpApi()


@api.post("/stock/<sku>/adjustments")
def adjust_stock(sku: str) -> dict[str, Any]:
    """Some stock came or went."""
    return accepted(emit(api.intent(StockAdjusted, sku=sku), idempotency_key=api.idempotency_key))


handler = api.resolve
