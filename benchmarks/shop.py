"""The part of the shop that is measured: `page.viewed`, appended to `page_views`."""

from consumer.tables import page_views
from penstock.consumer import Append, Drain
from shared.intents import PageViewed

COLUMNS = ("intent_id", "path", "visitor", "referrer", "viewed_at", "duration_ms")
"""The columns of `page_views`, in the order in which ready rows have them."""


def bind_page_views(drain: Drain) -> None:
    """Have a drain write `page.viewed` as the shop does."""
    drain.write(PageViewed, Append(page_views))
