"""The HTTP contract: everything that docs/http.md lists is tested on the deployed stack, or by another test."""

import json
import re
import uuid
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest

from penstock.intents import sign
from penstock.local.state import LocalState
from tests.support.deployed import accepted, environment_of, eventually, page_view, receipt_key
from tests.support.project import ROOT

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]

PAGE = (ROOT / "docs" / "http.md").read_text()
PREFIX = "urn:penstock:problem:"
BODY = 4_000_000
NOWHERE = "arn:aws:secretsmanager:us-east-1:000000000000:secret:nowhere"
LINES = "application/x-ndjson"

TESTED: set[str] = set()
"""The entries of the page that the tests of this file cover."""

ELSEWHERE = {
    # No route of the shop has a time after which a write is of no use.
    "expired": "tests/consumer/test_outcomes.py::test_an_expired_intent_is_final",
    "Idempotent-Replayed": "tests/producer/http/test_api.py::test_only_the_service_can_mark_a_replay",
    # The local API Gateway has no limits, and the functions never fail without an answer.
    "413 API Gateway": "AWS alone",
    "429 API Gateway": "AWS alone",
    "500 API Gateway": "AWS alone",
    "503 API Gateway": "AWS alone",
}
"""The entries of the page that cannot be tested here, with the test that covers them."""


def covers(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Record which entries of the page a test covers."""
    TESTED.update(names)
    return lambda test: test


@dataclass(frozen=True)
class Refused:
    """A request that is answered with a problem document.

    Attributes:
        problem: the last part of the problem's type.
        status: the status of the answer.
        path: the path of the request; without a body it is a GET.
        body: the body, sent as JSON unless it is a string.
        headers: the headers of the request.
        function: the function whose settings are changed for the request.
        settings: the changed settings.
        retry: whether the answer has `Retry-After`.
    """

    problem: str
    status: int
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    function: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    retry: bool = False


def item(**changes: Any) -> dict[str, Any]:
    return {"type": "page.viewed", "data": page_view()} | changes


def reused() -> list[Any]:
    first = item(idempotencyKey="k")
    return [first, item(idempotencyKey="k")]


REFUSED = [
    Refused("not-json", 400, "/page-views", "{"),
    Refused("not-json", 400, "/batches", f"{json.dumps(item())}\n{{", {"Content-Type": LINES}),
    Refused("not-an-object", 400, "/page-views", []),
    Refused("too-deep", 400, "/page-views", "[" * 40 + "]" * 40),
    Refused("too-deep", 400, "/page-views", "[" * 100_000),
    Refused("bad-batch", 400, "/batches", []),
    Refused("bad-batch", 400, "/batches", {}),
    Refused("bad-idempotency-key", 400, "/page-views", page_view(), {"Idempotency-Key": '""'}),
    Refused("bad-idempotency-key", 400, "/page-views", page_view(), {"Idempotency-Key": "k" * 256}),
    Refused("no-tenant", 403, "/page-views", page_view(), {}, "page-views", {"PENSTOCK_TENANT_CLAIM": "other"}),
    Refused("not-found", 404, "/writes/forged"),
    Refused("too-large", 413, "/page-views", page_view(path="x" * BODY)),
    Refused("too-large", 413, "/batches", json.dumps([item()])[:-1] + " " * BODY + "]"),
    Refused("too-large", 413, "/batches", [item()] * 501),
    Refused("unsupported-media-type", 415, "/batches", [item()], {"Content-Type": "text/csv"}),
    Refused("invalid-fields", 422, "/page-views", page_view(colour="blue")),
    Refused("batch-refused", 422, "/batches", [item(type="nothing.known")]),
    Refused("internal", 500, "/page-views", page_view(), {}, "page-views", {"PENSTOCK_BODY_LIMIT": "much"}),
    Refused(
        "not-kept",
        503,
        "/page-views",
        page_view(),
        {},
        "page-views",
        {"PENSTOCK_QUEUE_URL": "http://localhost/000000000000/nowhere"},
        retry=True,
    ),
    Refused(
        "not-ready",
        503,
        "/page-views",
        page_view(),
        {},
        "page-views",
        {"PENSTOCK_RECEIPT_KEY": NOWHERE},
        retry=True,
    ),
]


@covers(*(name for each in REFUSED for name in (each.problem, f"{each.status} function")))
@pytest.mark.parametrize("refused", REFUSED, ids=lambda each: f"{each.problem}{each.path}")
def test_a_refusal_is_a_problem(live: LocalState, api: httpx.Client, refused: Refused) -> None:
    """A request that is refused is answered with its status and problem document, which is never cached."""
    with environment_of(live, refused.function, **refused.settings) if refused.settings else nullcontext():
        answer = send(api, refused)
    problem = answer.json()
    assert (answer.status_code, problem["type"]) == (refused.status, PREFIX + refused.problem)
    assert problem["status"] == refused.status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert ("Retry-After" in answer.headers) is refused.retry


def send(api: httpx.Client, refused: Refused) -> httpx.Response:
    if refused.body is None:
        return api.get(refused.path)
    text = refused.body if isinstance(refused.body, str) else json.dumps(refused.body)
    headers = {"Content-Type": "application/json"} | refused.headers
    return api.post(refused.path, content=text, headers=headers)


@covers("unknown-kind", "idempotency-key-reused", "207 function")
def test_an_item_has_its_own_problem(api: httpx.Client) -> None:
    """In a partly accepted batch, each refused item has its own problem."""
    answer = api.post("/batches", json=[item(), item(type="nothing.known"), *reused()])
    assert (answer.status_code, answer.json()["kept"], answer.json()["refused"]) == (207, 2, 2)
    assert [each.get("problem", {}).get("type", "kept") for each in answer.json()["items"]] == [
        "kept",
        f"{PREFIX}unknown-kind",
        "kept",
        f"{PREFIX}idempotency-key-reused",
    ]


@covers("202 function", "Location", "Retry-After", "Content-Type", "Cache-Control")
def test_an_acknowledged_write(api: httpx.Client) -> None:
    """The answer to a write says where and when to ask for its outcome, and is not cached."""
    answer = api.post("/page-views", json=page_view())
    assert answer.status_code == 202
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    assert int(answer.headers["Retry-After"]) > 0
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("application/json", "no-store")
    assert answer.json()["status"] == "pending"


@covers("Idempotency-Key")
def test_a_repeated_key(api: httpx.Client) -> None:
    """The same key, quoted or bare, is the same write and has the same answer. Another route is another write."""
    key, body = str(uuid.uuid4()), page_view()
    first, again = (api.post("/page-views", json=body, headers={"Idempotency-Key": k}) for k in (key, f'"{key}"'))
    other = api.post("/stock/A1/adjustments", json={"delta": 1}, headers={"Idempotency-Key": key})
    assert first.status_code == again.status_code == other.status_code == 202
    assert first.json() == again.json()
    assert first.headers["Location"] == again.headers["Location"] != other.headers["Location"]


@covers("Prefer", "Preference-Applied", "200 function", "pending")
def test_an_applied_preference_is_in_the_answer(live: LocalState, api: httpx.Client) -> None:
    """A write is answered at once. A question for an outcome waits, but not above the limit."""
    both = {"Prefer": "respond-async, wait=5"}
    assert api.post("/page-views", json=page_view(), headers=both).headers["Preference-Applied"] == "respond-async"
    alone = api.post("/page-views", json=page_view(), headers={"Prefer": "wait=5"})
    assert "Preference-Applied" not in alone.headers
    place = f"/writes/{sign(uuid.uuid4(), receipt_key(live))}"
    answer = api.get(place, headers={"Prefer": "wait=99999999999"})
    assert (answer.status_code, answer.json()["status"]) == (200, "pending")
    assert (answer.headers["Preference-Applied"], answer.headers["Cache-Control"]) == ("wait=2", "no-store")
    assert "Retry-After" in answer.headers
    assert "Preference-Applied" not in api.get(place, headers={"Prefer": "wait=soon"}).headers


@covers("ETag", "If-None-Match", "304 function", "applied")
def test_a_final_outcome_may_be_cached(api: httpx.Client) -> None:
    """A final outcome has its times, an entity tag and a lifetime. A client that has it gets 304 and no body."""
    answer = settled(api, "/page-views", page_view(), "applied")
    assert answer.headers["Cache-Control"] == "private, max-age=86400"
    assert {"stated_at", "settled_at"} <= answer.json().keys()
    assert "Retry-After" not in answer.headers
    place = answer.json()["links"]["self"]
    again = api.get(place, headers={"If-None-Match": f'"other", W/{answer.headers["ETag"]}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    assert api.get(place, headers={"If-None-Match": '"other"'}).status_code == 200


@covers("stale")
def test_an_older_write_is_stale(api: httpx.Client) -> None:
    """A write that arrives after a newer one of the same row is stale."""
    order = {"order_id": str(uuid.uuid4()), "customer": "c", "total": "9.50"}
    for hour, outcome in (("12", "applied"), ("11", "stale")):
        answer = settled(api, "/orders", order | {"placed_at": f"2026-11-20T{hour}:00:00Z"}, outcome)
        assert answer.headers["Cache-Control"] == "private, max-age=86400"


@covers("dead")
def test_a_dead_write_has_its_reason(api: httpx.Client) -> None:
    """A dead write has a problem with its reason and no value of the write, and is not cached."""
    body = page_view(duration_ms=2_000_000_000)
    answer = settled(api, "/page-views", body, "dead")
    assert answer.json()["problem"]["type"] == f"{PREFIX}dead"
    assert answer.json()["problem"]["reason"] == "CheckViolation"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
    assert body["path"] not in answer.text
    assert "2000000000" not in answer.text


def test_a_key_with_another_payload_is_reported(api: httpx.Client) -> None:
    """The second payload of a key has no effect, and the outcome of the first says so."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, second = (accepted(api.post("/page-views", json=page_view(), headers=headers)) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    place = first.headers["Location"]
    assert eventually(lambda: "reused_at" in api.get(place).json())
    found = api.get(place).json()
    assert (found["status"], found["problem"]["type"]) == ("applied", f"{PREFIX}idempotency-key-reused")


@covers("gone", "410 function")
def test_a_write_past_retention_is_gone(live: LocalState, api: httpx.Client) -> None:
    """The outcome of a write past retention is gone. An id derived from a key has no time, and is pending."""
    then = int((datetime.now(UTC) - timedelta(days=90)).timestamp() * 1000)
    old = uuid.UUID(int=then << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & (1 << 62) - 1)
    answer = api.get(f"/writes/{sign(old, receipt_key(live))}")
    assert (answer.status_code, answer.json()["type"]) == (410, f"{PREFIX}gone")
    assert answer.headers["Cache-Control"] == "no-store"
    derived = uuid.uuid5(uuid.NAMESPACE_URL, str(old))
    assert api.get(f"/writes/{sign(derived, receipt_key(live))}").json()["status"] == "pending"


@covers("outcome-unavailable", "503 function")
def test_a_forged_receipt_never_reaches_the_database(live: LocalState, api: httpx.Client) -> None:
    """While the database is unavailable a valid receipt is answered 503, and a forged one still 404."""
    true = f"/writes/{sign(uuid.uuid4(), receipt_key(live))}"
    forged = true[:-4] + ("AAAA" if not true.endswith("AAAA") else "BBBB")
    with environment_of(live, "writes", PENSTOCK_DATABASE_URL="postgresql://127.0.0.1:1/nothing"):
        answers = [api.get(place) for place in (true, forged)]
    assert [(each.status_code, each.json()["type"]) for each in answers] == [
        (503, f"{PREFIX}outcome-unavailable"),
        (404, f"{PREFIX}not-found"),
    ]
    assert int(answers[0].headers["Retry-After"]) > 0


@covers("Authorization", "401 API Gateway", "403 API Gateway")
def test_a_request_without_a_token_is_refused(live: LocalState) -> None:
    """Without a token API Gateway answers 401, with a wrong one 403. Neither answer is a problem document."""
    bare = {"Host": live.api_headers["Host"]}
    with httpx.Client(base_url=live.api_url, headers=bare, timeout=30, trust_env=False) as client:
        answers = [client.post("/batches", json=[], headers=more) for more in ({}, {"Authorization": "Bearer x"})]
    assert [each.status_code for each in answers] == [401, 403]
    assert all(each.json().keys() == {"message"} for each in answers)


@covers("404 API Gateway")
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("DELETE", "/page-views"), ("GET", "/writes/"), ("GET", "/writes/a/b")],
)
def test_a_request_without_a_route_is_not_found(api: httpx.Client, method: str, path: str) -> None:
    """API Gateway itself answers a request without a route, or with a wrong method. No function is called."""
    answer = api.request(method, path)
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_no_page_of_another_origin_may_call(api: httpx.Client) -> None:
    """Unless the service lists origins, none is allowed: neither in a preflight nor in an answer."""
    origin = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    asked, answered = api.options("/page-views", headers=origin), api.post("/page-views", json={}, headers=origin)
    for answer in (asked, answered):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_the_token_names_the_tenant(api: httpx.Client) -> None:
    """No header and no parameter changes the caller's tenant: keys belong to the verified token's tenant."""
    key, body = str(uuid.uuid4()), page_view()
    claims = {"tenant": "b", "X-Tenant": "b", "PENSTOCK_TENANT_CLAIM": "b"}
    tokens: list[dict[str, str]] = [{"Authorization": f"Bearer local:{tenant}"} for tenant in "ab"]
    places = [
        api.post("/page-views?tenant=b", json=body, headers={"Idempotency-Key": key, **each}).headers["Location"]
        for each in (tokens[0], tokens[0] | claims, tokens[1])
    ]
    assert places[0] == places[1] != places[2]


def settled(api: httpx.Client, path: str, body: Any, status: str) -> httpx.Response:
    """Send a write, wait until its outcome has this status, and return the answer."""
    place = accepted(api.post(path, json=body)).headers["Location"]
    assert eventually(lambda: api.get(place, headers={"Prefer": "wait=2"}).json()["status"] == status)
    return api.get(place)


def documented() -> set[str]:
    """Return what the page's tables list: problems, outcomes, statuses with who answers, and headers."""
    problems = re.findall(r"^\| `([a-z-]+)` \| (?:\d+|none) \|", PAGE, re.MULTILINE)
    (table,) = re.findall(r"^\| `status` \| meaning \| headers \|\n(?:\|.*\n)+", PAGE, re.MULTILINE)
    outcomes = re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)[1:]
    statuses = re.findall(r"^\| `(\d{3})` \| (function|API Gateway) \|", PAGE, re.MULTILINE)
    headers = re.findall(r"^\| `([A-Z][A-Za-z-]+)` \| (?:request|answer|both) \|", PAGE, re.MULTILINE)
    return {*problems, *outcomes, *headers, *(f"{status} {who}" for status, who in statuses)}


def test_everything_documented_is_tested() -> None:
    """Every entry of the page is covered in this file or elsewhere, and nothing else is recorded as covered."""
    assert documented() == TESTED | ELSEWHERE.keys()
    assert TESTED.isdisjoint(ELSEWHERE)


def test_every_status_and_header_of_the_page_is_listed() -> None:
    """Every status and header that the page mentions is in its tables."""
    listed = {word.split()[0] for word in documented()}
    statuses = set(re.findall(r"`([1-5]\d\d)`", PAGE))
    headers = set(re.findall(r"`((?:[A-Z][A-Za-z]*-)+[A-Z][a-z]+|ETag|Location|Prefer|Authorization)\b", PAGE))
    assert statuses | headers <= listed


@pytest.mark.parametrize("where", sorted({each for each in ELSEWHERE.values() if "::" in each}))
def test_the_tests_elsewhere_exist(where: str) -> None:
    """Each test that is named as covering an entry exists."""
    path, _, name = where.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text()
