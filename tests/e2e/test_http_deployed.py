"""The contract over HTTP: whatever docs/http.md lists is provoked on the deployed stack, or held elsewhere."""

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
from tests.support.deployed import environment_of, eventually, page_view, receipt_key
from tests.support.project import ROOT

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]

PAGE = (ROOT / "docs" / "http.md").read_text()
PREFIX = "urn:penstock:problem:"
BODY = 4_000_000
NOWHERE = "arn:aws:secretsmanager:us-east-1:000000000000:secret:nowhere"
LINES = "application/x-ndjson"

HELD: set[str] = set()
"""What of the page the tests of this file provoke."""

ELSEWHERE = {
    "Idempotent-Replayed": "tests/producer/http/test_api.py::test_a_replay_is_told_by_who_knows",
    # The local API Gateway has none of its limits, and no function of ours fails without an answer.
    "413 API Gateway": "AWS alone",
    "429 API Gateway": "AWS alone",
    "500 API Gateway": "AWS alone",
    "503 API Gateway": "AWS alone",
}
"""What of the page cannot be provoked here, with the test that holds it."""


def holds(*names: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Say which words of the page a test provokes."""
    HELD.update(names)
    return lambda test: test


@dataclass(frozen=True)
class Refused:
    """A request that is answered with a problem.

    Attributes:
        problem: the stable end of its type.
        status: the answer's.
        path: where it goes; a GET if there is nothing to send.
        body: what is sent, as JSON unless it is text.
        headers: the request's.
        function: whose settings are other ones meanwhile.
        told: these settings.
        retry: whether the caller is told when to try again.
    """

    problem: str
    status: int
    path: str
    body: Any = None
    headers: dict[str, str] = field(default_factory=dict)
    function: str = ""
    told: dict[str, str] = field(default_factory=dict)
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


@holds(*(name for each in REFUSED for name in (each.problem, f"{each.status} function")))
@pytest.mark.parametrize("refused", REFUSED, ids=lambda each: f"{each.problem}{each.path}")
def test_a_refusal_is_a_problem(live: LocalState, api: httpx.Client, refused: Refused) -> None:
    """A request that is refused is answered with its status and problem document, which is never cached."""
    with environment_of(live, refused.function, **refused.told) if refused.told else nullcontext():
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


@holds("unknown-kind", "idempotency-key-reused", "207 function")
def test_an_item_has_its_own_problem(api: httpx.Client) -> None:
    """In a batch that is kept in part, each item that is not says why."""
    answer = api.post("/batches", json=[item(), item(type="nothing.known"), *reused()])
    assert (answer.status_code, answer.json()["kept"], answer.json()["refused"]) == (207, 2, 2)
    assert [each.get("problem", {}).get("type", "kept") for each in answer.json()["items"]] == [
        "kept",
        f"{PREFIX}unknown-kind",
        "kept",
        f"{PREFIX}idempotency-key-reused",
    ]


@holds("202 function", "Location", "Retry-After", "Content-Type", "Cache-Control")
def test_a_kept_write(api: httpx.Client) -> None:
    """A kept write says where and when to ask, and is not cached."""
    answer = api.post("/page-views", json=page_view())
    assert answer.status_code == 202
    assert answer.headers["Location"] == answer.json()["links"]["self"]
    assert int(answer.headers["Retry-After"]) > 0
    assert (answer.headers["Content-Type"], answer.headers["Cache-Control"]) == ("application/json", "no-store")
    assert answer.json()["status"] == "pending"


@holds("Idempotency-Key")
def test_a_key_that_comes_again(api: httpx.Client) -> None:
    """The same key, quoted or bare, is the same write: the same answer; of another route it is another one."""
    key, body = str(uuid.uuid4()), page_view()
    first, again = (api.post("/page-views", json=body, headers={"Idempotency-Key": k}) for k in (key, f'"{key}"'))
    other = api.post("/stock/A1/adjustments", json={"delta": 1}, headers={"Idempotency-Key": key})
    assert first.status_code == again.status_code == other.status_code == 202
    assert first.json() == again.json()
    assert first.headers["Location"] == again.headers["Location"] != other.headers["Location"]


@holds("Prefer", "Preference-Applied", "200 function", "pending")
def test_a_preference_is_told_if_it_was_followed(live: LocalState, api: httpx.Client) -> None:
    """To answer at once is what a write does, to wait is what a question does, and no longer than allowed."""
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


@holds("ETag", "If-None-Match", "304 function", "applied")
def test_what_is_settled_may_be_cached(api: httpx.Client) -> None:
    """A final outcome has its times, an entity tag and a lifetime; who has it already gets no body."""
    answer = settled(api, "/page-views", page_view(), "applied")
    assert answer.headers["Cache-Control"] == "private, max-age=86400"
    assert {"stated_at", "settled_at"} <= answer.json().keys()
    assert "Retry-After" not in answer.headers
    place = answer.json()["links"]["self"]
    again = api.get(place, headers={"If-None-Match": f'"other", W/{answer.headers["ETag"]}'})
    assert (again.status_code, again.content, again.headers["ETag"]) == (304, b"", answer.headers["ETag"])
    assert api.get(place, headers={"If-None-Match": '"other"'}).status_code == 200


@holds("stale")
def test_what_is_stale_changed_nothing(api: httpx.Client) -> None:
    """A write that comes after a newer one of its row is stale."""
    path = f"/orders/{uuid.uuid4()}/status"
    for hour, status, outcome in (("12", "shipped", "applied"), ("11", "packed", "stale")):
        change = {"status": status, "changed_at": f"2026-11-20T{hour}:00:00Z"}
        answer = settled(api, path, change, outcome, method="PUT")
        assert answer.headers["Cache-Control"] == "private, max-age=86400"


@holds("dead")
def test_what_is_dead_says_why(api: httpx.Client) -> None:
    """A dead write has a problem with its reason, no value of the write, and is asked after anew each time."""
    body = page_view(duration_ms=2_000_000_000)
    answer = settled(api, "/page-views", body, "dead")
    assert answer.json()["problem"]["type"] == f"{PREFIX}dead"
    assert answer.json()["problem"]["reason"] == "CheckViolation"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "ETag" not in answer.headers
    assert body["path"] not in answer.text
    assert "2000000000" not in answer.text


def test_a_key_with_another_payload_is_told_of(api: httpx.Client) -> None:
    """What came second under a key had no effect, and the first one's outcome says so."""
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, second = (api.post("/page-views", json=page_view(), headers=headers) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    place = first.headers["Location"]
    assert eventually(lambda: "reused_at" in api.get(place).json())
    found = api.get(place).json()
    assert (found["status"], found["problem"]["type"]) == ("applied", f"{PREFIX}idempotency-key-reused")


@holds("gone", "410 function")
def test_what_is_past_retention_is_gone(live: LocalState, api: httpx.Client) -> None:
    """A receipt of a write from before what the ledger keeps is gone; one by key has no time, and is pending."""
    then = int((datetime.now(UTC) - timedelta(days=90)).timestamp() * 1000)
    old = uuid.UUID(int=then << 80 | 7 << 76 | 2 << 62 | uuid.uuid4().int & (1 << 62) - 1)
    answer = api.get(f"/writes/{sign(old, receipt_key(live))}")
    assert (answer.status_code, answer.json()["type"]) == (410, f"{PREFIX}gone")
    assert answer.headers["Cache-Control"] == "no-store"
    derived = uuid.uuid5(uuid.NAMESPACE_URL, str(old))
    assert api.get(f"/writes/{sign(derived, receipt_key(live))}").json()["status"] == "pending"


@holds("outcome-unavailable", "503 function")
def test_a_forged_receipt_never_reaches_the_database(live: LocalState, api: httpx.Client) -> None:
    """While the database is away a true receipt is answered 503, and a forged one 404 as ever."""
    true = f"/writes/{sign(uuid.uuid4(), receipt_key(live))}"
    forged = true[:-4] + ("AAAA" if not true.endswith("AAAA") else "BBBB")
    with environment_of(live, "writes", PENSTOCK_DATABASE_URL="postgresql://127.0.0.1:1/nothing"):
        answers = [api.get(place) for place in (true, forged)]
    assert [(each.status_code, each.json()["type"]) for each in answers] == [
        (503, f"{PREFIX}outcome-unavailable"),
        (404, f"{PREFIX}not-found"),
    ]
    assert int(answers[0].headers["Retry-After"]) > 0


@holds("Authorization", "401 API Gateway", "403 API Gateway")
def test_nobody_gets_in_without_a_token(live: LocalState) -> None:
    """Without a token API Gateway answers 401, with a wrong one it refuses; neither is a problem document."""
    bare = {"Host": live.api_headers["Host"]}
    with httpx.Client(base_url=live.api_url, headers=bare, timeout=30, trust_env=False) as client:
        answers = [client.post("/batches", json=[], headers=more) for more in ({}, {"Authorization": "Bearer x"})]
    assert [each.status_code for each in answers] == [401, 403]
    assert all(each.json().keys() == {"message"} for each in answers)


@holds("404 API Gateway")
@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("DELETE", "/page-views"), ("GET", "/writes/"), ("GET", "/writes/a/b")],
)
def test_what_has_no_route_is_not_found(api: httpx.Client, method: str, path: str) -> None:
    """What no route is for, a wrong method too, API Gateway answers by itself; no function is called."""
    answer = api.request(method, path)
    assert (answer.status_code, answer.json()) == (404, {"message": "Not Found"})


def test_no_page_of_another_origin_may_call(api: httpx.Client) -> None:
    """Unless the service says which, no origin is allowed: neither asked beforehand nor in an answer."""
    origin = {"Origin": "https://elsewhere.example", "Access-Control-Request-Method": "POST"}
    asked, answered = api.options("/page-views", headers=origin), api.post("/page-views", json={}, headers=origin)
    for answer in (asked, answered):
        assert not [name for name in answer.headers if name.lower().startswith("access-control-")]


def test_a_tenant_is_who_the_token_names(api: httpx.Client) -> None:
    """No header and no parameter makes a caller another tenant: keys stay those of the verified token's."""
    key, body = str(uuid.uuid4()), page_view()
    claims = {"tenant": "b", "X-Tenant": "b", "PENSTOCK_TENANT_CLAIM": "b"}
    tokens: list[dict[str, str]] = [{"Authorization": f"Bearer local:{tenant}"} for tenant in "ab"]
    places = [
        api.post("/page-views?tenant=b", json=body, headers={"Idempotency-Key": key, **each}).headers["Location"]
        for each in (tokens[0], tokens[0] | claims, tokens[1])
    ]
    assert places[0] == places[1] != places[2]


def settled(api: httpx.Client, path: str, body: Any, status: str, *, method: str = "POST") -> httpx.Response:
    """Send a write and return the answer to a question for its outcome, once that is this one."""
    place = api.request(method, path, json=body).headers["Location"]
    assert eventually(lambda: api.get(place, headers={"Prefer": "wait=2"}).json()["status"] == status)
    return api.get(place)


def documented() -> set[str]:
    """Everything that the page's tables list: problems, outcomes, statuses by who answers, and headers."""
    problems = re.findall(r"^\| `([a-z-]+)` \| (?:\d+|none) \|", PAGE, re.MULTILINE)
    (table,) = re.findall(r"^\| `status` \| meaning \| headers \|\n(?:\|.*\n)+", PAGE, re.MULTILINE)
    outcomes = re.findall(r"^\| `([a-z]+)` \|", table, re.MULTILINE)[1:]
    statuses = re.findall(r"^\| `(\d{3})` \| (function|API Gateway) \|", PAGE, re.MULTILINE)
    headers = re.findall(r"^\| `([A-Z][A-Za-z-]+)` \| (?:request|answer|both) \|", PAGE, re.MULTILINE)
    return {*problems, *outcomes, *headers, *(f"{status} {who}" for status, who in statuses)}


def test_everything_documented_is_held() -> None:
    """What the page lists is provoked in this file or held elsewhere, and nothing else is claimed to be."""
    assert documented() == HELD | ELSEWHERE.keys()
    assert HELD.isdisjoint(ELSEWHERE)


def test_every_status_and_header_of_the_page_is_listed() -> None:
    """Whatever status or header the page speaks of anywhere is in its lists."""
    listed = {word.split()[0] for word in documented()}
    statuses = set(re.findall(r"`([1-5]\d\d)`", PAGE))
    headers = set(re.findall(r"`((?:[A-Z][A-Za-z]*-)+[A-Z][a-z]+|ETag|Location|Prefer|Authorization)\b", PAGE))
    assert statuses | headers <= listed


@pytest.mark.parametrize("where", sorted({each for each in ELSEWHERE.values() if "::" in each}))
def test_what_is_held_elsewhere_is(where: str) -> None:
    """A test that is named as holding something is there."""
    path, _, name = where.partition("::")
    assert f"def {name}(" in (ROOT / path).read_text()
