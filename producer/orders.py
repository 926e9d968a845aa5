"""Orders and their status."""

from typing import Any

from penstock import accepted
from penstock.producer.http.api import HttpApi
from shared.intents import OrderPlaced, OrderStatusChanged

api = HttpApi()


@api.post("/orders")
def place_order() -> dict[str, Any]:
    """Place an order."""
    return accepted(api.emit(api.intent(OrderPlaced)))


@api.put("/orders/<order_id>/status")
def change_status(order_id: str) -> dict[str, Any]:
    """Change the status of an order."""
    return accepted(api.emit(api.intent(OrderStatusChanged, order_id=order_id)))


handler = api.resolve
