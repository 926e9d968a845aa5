"""The burst: its requests, and the client that sends them."""

import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx

CONCURRENCY = 8
_ATTEMPTS = 5
_TIMEOUT_SECONDS = 30
_LONGER_THAN_A_DAY_MS = 2_000_000_000


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request."""

    method: str
    path: str
    body: dict[str, Any]
    key: str = field(default_factory=lambda: uuid4().hex)


@dataclass(frozen=True, slots=True)
class Answer:
    """The answer to a request.

    Attributes:
        status: the HTTP status.
        id: the id of the intent; None if it was not accepted.
        at: the time of the answer, in seconds since the epoch.
    """

    status: int
    id: UUID | None
    at: float


def one_of_each() -> list[Request]:
    """Make one request for each route; the first request to a function starts it."""
    chance = random.Random(0)  # noqa: S311 (the same requests each time)
    return [make(chance) for make in _ROUTES]


def make_burst(count: int, repeated: int) -> list[Request]:
    """Make `count` requests of all kinds; one of them the database refuses, and `repeated` are repetitions."""
    chance = random.Random(count)  # noqa: S311 (the same burst each time)
    makers = chance.choices(list(_ROUTES), list(_ROUTES.values()), k=count - repeated - 1)
    burst = [make(chance) for make in makers]
    burst += chance.sample(burst, repeated)
    burst.append(Request("POST", "/page-views", _view(chance) | {"duration_ms": _LONGER_THAN_A_DAY_MS}))
    chance.shuffle(burst)
    return burst


def _page_view(chance: random.Random) -> Request:
    return Request("POST", "/page-views", _view(chance))


def _view(chance: random.Random) -> dict[str, Any]:
    return {
        "path": f"/articles/{chance.randrange(1000)}",
        "visitor": str(uuid4()),
        "viewed_at": _now(),
        "duration_ms": chance.randrange(60_000),
    }


def _order(chance: random.Random) -> Request:
    total = f"{chance.randrange(100_000) / 100:.2f}"
    order = {"order_id": str(uuid4()), "customer": "customer-1", "total": total, "placed_at": _now()}
    return Request("POST", "/orders", order)


def _status(_chance: random.Random) -> Request:
    return Request("PUT", f"/orders/{uuid4()}/status", {"status": "paid", "changed_at": _now()})


def _adjustment(chance: random.Random) -> Request:
    return Request("POST", f"/stock/article-{chance.randrange(50)}/adjustments", {"delta": chance.randint(-5, 5)})


def _email(_chance: random.Random) -> Request:
    return Request("POST", "/emails", {"to": "a@example.org", "subject": "Thanks", "body": "Thank you."})


_ROUTES = {_page_view: 80, _order: 5, _status: 5, _adjustment: 5, _email: 5}
"""The function that makes a request for each route, and its weight."""


def _now() -> str:
    return datetime.now(UTC).isoformat()


def send(burst: list[Request], api_url: str, headers: dict[str, str]) -> Iterator[Answer]:
    """Send all requests, `CONCURRENCY` at a time, and yield their answers in the order of the requests."""
    local = threading.local()
    clients: list[httpx.Client] = []

    def send_one(request: Request) -> Answer:
        if not hasattr(local, "client"):
            # trust_env: requests to this machine must not use a proxy from the environment.
            local.client = httpx.Client(
                base_url=api_url, headers=headers, timeout=_TIMEOUT_SECONDS, trust_env=False
            )
            clients.append(local.client)
        return _send_with_retry(local.client, request)

    try:
        with ThreadPoolExecutor(CONCURRENCY) as pool:
            yield from pool.map(send_one, burst)
    finally:
        for client in clients:
            client.close()


def _send_with_retry(client: httpx.Client, request: Request) -> Answer:
    """Send a request; on 503, send it again with the same key after `Retry-After` seconds."""
    for _ in range(_ATTEMPTS):
        response = client.request(
            request.method, request.path, json=request.body, headers={"Idempotency-Key": request.key}
        )
        if response.status_code != httpx.codes.SERVICE_UNAVAILABLE:
            break
        time.sleep(float(response.headers.get("Retry-After", 1)))
    accepted = response.status_code == httpx.codes.ACCEPTED
    return Answer(response.status_code, UUID(response.json()["id"]) if accepted else None, time.time())
