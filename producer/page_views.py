"""Page views."""

from typing import Any

from penstock import accepted
from penstock.producer.http.api import HttpApi
from shared.intents import PageViewed

api = HttpApi()


@api.post("/page-views")
def view_page() -> dict[str, Any]:
    """Record a page view."""
    return accepted(api.emit(api.intent(PageViewed)))


handler = api.resolve
