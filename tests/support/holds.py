"""Holds of a database, set and released as the commands do."""

from typing import Any

from sqlalchemy import Engine, text

from penstock.cli.hold.release import Release
from penstock.cli.hold.store import HoldStore
from penstock.functions.hold_requests import parse_hold_request
from penstock.queue import Queue
from penstock.queue.rate_limiter import RateLimiter


def store_of(engine: Engine) -> HoldStore:
    """Return the holds of a database."""

    def answer(**request: Any) -> dict[str, Any]:
        with engine.begin() as connection:
            return parse_hold_request(request).answer(connection)

    return HoldStore(answer)


def release(store: HoldStore, queue: Queue, kind: str) -> int:
    """Release a kind; return how many messages were sent."""
    assert store.begin_release(kind)
    return send_parked(store, queue, kind)


def send_parked(store: HoldStore, queue: Queue, kind: str) -> int:
    """Send what is parked of a kind whose release has begun; return how many messages were sent."""
    run = Release(store, queue, kind, RateLimiter(None), lambda _: None)
    run.run("tester")
    return run.sent


def parked(engine: Engine) -> int:
    """Return how many messages are parked."""
    with engine.connect() as connection:
        return int(connection.execute(text("SELECT count(*) FROM penstock.held")).scalar_one())
