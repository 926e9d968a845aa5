"""SQS events as Lambda passes them, with intents of fresh ids. Making them is never timed."""

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any, get_args
from uuid import NAMESPACE_URL, UUID, uuid5

from penstock import WriteIntent
from penstock.intents import derive_id, encode_envelope, new_id
from penstock.testing import sqs_event
from shared.intents import OrderPlaced, OrderStatusChanged, PageViewed, StockAdjusted

Event = dict[str, Any]
Row = tuple[Any, ...]

_SOURCE = "/shop"
_START = datetime(2026, 11, 20, 10, tzinfo=UTC)
DAY_MS = 86_400_000

_random = Random(20_261_120)  # noqa: S311 (the same intents in every run)


def page_views_event(size: int, *, poison: int = 0, derived: bool = False, body_bytes: int = 0) -> Event:
    """Make an event of `size` page views.

    Args:
        size: the number of records.
        poison: how many violate a CHECK constraint. They are spread evenly, which costs the most to isolate.
        derived: whether the ids are derived from keys (version 5, anywhere in the index), not ordered by time.
        body_bytes: the minimum length of a body; longer paths fill shorter bodies.
    """
    refused = {(2 * n + 1) * size // (2 * poison) for n in range(poison)}
    return sqs_event(_body(_view(n in refused), derived, body_bytes) for n in range(size))


def keyed_event(kinds: Sequence[Callable[[int], WriteIntent]], size: int, *, per_key: int = 10) -> Event:
    """Make an event of `size` intents that share keys, shuffled.

    Args:
        kinds: functions that make an intent for the key with a number; they take turns.
        size: the number of records.
        per_key: how many records have the same key.
    """
    intents = [kinds[n % len(kinds)](n // per_key) for n in range(size)]
    _random.shuffle(intents)
    return sqs_event(encode_envelope(intent, id=new_id(), source=_SOURCE) for intent in intents)


def order_placed(number: int) -> OrderPlaced:
    """Return an intent that places an order."""
    return OrderPlaced(
        order_id=_order_id(number),
        customer=f"customer-{_random.randrange(100_000)}@example.com",
        total=Decimal(_random.randrange(1_000_000)) / 100,
        placed_at=_some_time(),
    )


def order_status_changed(number: int) -> OrderStatusChanged:
    """Return an intent that changes the status of an order."""
    status = _random.choice(get_args(OrderStatusChanged.model_fields["status"].annotation))
    return OrderStatusChanged(order_id=_order_id(number), status=status, changed_at=_some_time())


def stock_adjusted(number: int) -> StockAdjusted:
    """Return an intent that adjusts the stock of a SKU."""
    return StockAdjusted(sku=f"SKU-{number:08}", delta=_random.randint(-100, 100))


def ready_rows(event: Mapping[str, Any]) -> list[Row]:
    """Return the rows of `page_views` for an event, as texts, with which COPY is fastest."""
    envelopes = [json.loads(record["body"]) for record in event["Records"]]
    return [(envelope["id"], *map(_as_text, envelope["data"].values())) for envelope in envelopes]


def _as_text(value: object) -> str | None:
    return None if value is None else str(value)


def _view(refused: bool) -> PageViewed:
    return PageViewed(
        path=f"/products/{_random.randrange(100_000)}",
        visitor=UUID(int=_random.getrandbits(128), version=4),
        referrer="https://www.example.com/search?q=penstock" if _random.random() < 0.5 else None,  # noqa: PLR2004
        viewed_at=_some_time(),
        duration_ms=DAY_MS + 1 if refused else _random.randrange(600_000),
    )


def _some_time() -> datetime:
    return _START + timedelta(microseconds=_random.randrange(DAY_MS * 1000))


def _order_id(number: int) -> UUID:
    return uuid5(NAMESPACE_URL, f"order {number}")


def _body(view: PageViewed, derived: bool, body_bytes: int) -> str:
    id_ = _derived_id() if derived else new_id()
    body = encode_envelope(view, id=id_, source=_SOURCE)
    missing = body_bytes - len(body)
    return encode_envelope(_with_longer_path(view, missing), id=id_, source=_SOURCE) if missing > 0 else body


def _with_longer_path(view: PageViewed, characters: int) -> PageViewed:
    return view.model_copy(update={"path": view.path + "/" + "x" * (characters - 1)})


def _derived_id() -> UUID:
    return derive_id(source=_SOURCE, kind=PageViewed.intent_kind, tenant=None, key=str(new_id()))
