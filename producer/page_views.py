"""Page views."""

from typing import Any

from penstock import accepted, emit
from penstock.producer.api import HttpApi
from shared.intents import PageViewed

api = HttpApi()


@api.post("/page-views")
def view_page() -> dict[str, Any]:
    """Somebody looked at a page."""
    return accepted(emit(api.intent(PageViewed), idempotency_key=api.idempotency_key))


handler = api.resolve
