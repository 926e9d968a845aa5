"""SQS events as Lambda hands them over, of intents that have never been seen before. Never made on the clock."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any
from uuid import UUID

from penstock.intents import derive_id, new_id, seal
from penstock.testing import sqs_event
from shared.intents import PageViewed

Event = dict[str, Any]
Row = tuple[Any, ...]

_SOURCE = "/shop"
_START = datetime(2026, 11, 20, 10, tzinfo=UTC)
_DAY_MS = 86_400_000

_random = Random(20_261_120)  # noqa: S311 (the same views in every run)


def page_views_event(size: int, *, poison: int = 0, derived: bool = False, body_bytes: int = 0) -> Event:
    """Make an event of `size` page views.

    Args:
        size: how many records.
        poison: how many of them Postgres refuses by a CHECK constraint, spread evenly: the dearest way to isolate.
        derived: whether the ids are derived from keys (version 5, anywhere in the index) and not made by time.
        body_bytes: the least length of a body; paths are made longer to reach it.
    """
    refused = {(2 * n + 1) * size // (2 * poison) for n in range(poison)}
    return sqs_event(_body(_view(n in refused), derived, body_bytes) for n in range(size))


def ready_rows(event: Mapping[str, Any]) -> list[Row]:
    """Take an event of page views apart into rows of `page_views`, as texts: what COPY is fastest with."""
    envelopes = [json.loads(record["body"]) for record in event["Records"]]
    return [(envelope["id"], *map(_text, envelope["data"].values())) for envelope in envelopes]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _view(refused: bool) -> PageViewed:
    return PageViewed(
        path=f"/products/{_random.randrange(100_000)}",
        visitor=UUID(int=_random.getrandbits(128), version=4),
        referrer="https://www.example.com/search?q=penstock" if _random.random() < 0.5 else None,  # noqa: PLR2004
        viewed_at=_START + timedelta(milliseconds=_random.randrange(_DAY_MS)),
        duration_ms=_DAY_MS + 1 if refused else _random.randrange(600_000),
    )


def _body(view: PageViewed, derived: bool, body_bytes: int) -> str:
    id_ = _derived_id() if derived else new_id()
    body = seal(view, id=id_, source=_SOURCE)
    missing = body_bytes - len(body)
    return seal(_longer(view, missing), id=id_, source=_SOURCE) if missing > 0 else body


def _longer(view: PageViewed, characters: int) -> PageViewed:
    return view.model_copy(update={"path": view.path + "/" + "x" * (characters - 1)})


def _derived_id() -> UUID:
    return derive_id(source=_SOURCE, kind=PageViewed.intent_kind, tenant=None, key=str(new_id()))
