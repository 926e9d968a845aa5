"""Orders and their status."""

from typing import Any

from penstock import accepted, emit
from penstock.producer.api import HttpApi
from shared.intents import OrderPlaced, OrderStatusChanged

api = HttpApi()


@api.post("/orders")
def place_order() -> dict[str, Any]:
    """Place an order."""
    return accepted(emit(api.intent(OrderPlaced), idempotency_key=api.idempotency_key))


@api.put("/orders/<order_id>/status")
def change_status(order_id: str) -> dict[str, Any]:
    """Move an order on."""
    changed = api.intent(OrderStatusChanged, order_id=order_id)
    return accepted(emit(changed, idempotency_key=api.idempotency_key))


handler = api.resolve
