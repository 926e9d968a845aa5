"""The shop's handlers that emit, called as API Gateway calls them."""

import base64
import json
import re
from typing import Any
from uuid import uuid4

import pytest
import yaml

from penstock.intents import new_id, sign, verify
from penstock.producer import Producer, accepted, emitter
from penstock.producer.http.problems import PROBLEMS
from penstock.producer.large import INTENT_LIMIT_BYTES
from penstock.settings import Settings
from penstock.testing import MemoryQueue
from tests.support.http import VIEW, Limit, call
from tests.support.project import ROOT
from tests.support.secrets import Secrets

GOOD = {
    "page_views": VIEW,
    "orders": {"order_id": str(uuid4()), "customer": "c", "total": "19.99", "placed_at": "2026-11-20T10:00:00Z"},
    "stock": {"delta": -2},
    "emails": {"to": "a@example.org", "subject": "s", "body": "b"},
}


@pytest.mark.parametrize("function", GOOD)
def test_every_route_answers_202_with_a_receipt(queue: MemoryQueue, function: str) -> None:
    """A valid request is on the queue and answered with 202, the path of its outcome, and when to ask."""
    status, headers, body = call(function, GOOD[function])
    assert status == 202
    assert body["status"] == "pending"
    assert headers["Location"] == body["links"]["self"]
    assert int(headers["Retry-After"]) > 0
    assert str(verify(headers["Location"].removeprefix("/writes/"), "key").id) == body["id"]
    assert [message["id"] for message in queue.bodies] == [body["id"]]


def test_every_deployed_route_has_its_handler(queue: MemoryQueue) -> None:
    """Each producer route in serverless.yml is a registered route of its handler, with the same path."""
    parts = yaml.safe_load((ROOT / "serverless.yml").read_text())["functions"]
    routes = [
        (function["handler"].removeprefix("producer/").removesuffix(".handler"), event["httpApi"])
        for part in parts
        if isinstance(part, dict)
        for function in part.values()
        for event in function.get("events", ())
        if function["handler"].startswith("producer/")
    ]
    assert len(routes) == 7
    for name, route in routes:
        values = dict.fromkeys(re.findall(r"{(\w+)}", route["path"]), "x")
        key = f"{route['method']} {route['path']}"
        expected = 200 if route["method"] == "GET" else 400
        assert call(name, "", route=key, values=values, rawPath="/")[0] == expected


def test_parameters_of_the_path_are_fields(queue: MemoryQueue) -> None:
    """The parameters of the path are fields of the intent."""
    order_id = str(uuid4())
    changed = {"status": "paid", "changed_at": "2026-11-20T10:00:00Z"}
    values = {"order_id": order_id}
    assert call("orders", changed, route="PUT /orders/{order_id}/status", values=values)[0] == 202
    assert call("stock", {"delta": 1})[0] == 202
    assert [body["data"].get("order_id", body["data"].get("sku")) for body in queue.bodies] == [order_id, "A1"]


@pytest.mark.parametrize(
    "sku", ["\u20ac", "\U0001f600", 'a"b', "a b", "a+b", "a%41", "\u00e9", "a/b", "a\nb", "`|^"]
)
def test_a_path_may_hold_any_text(queue: MemoryQueue, sku: str) -> None:
    """The field has exactly the value that API Gateway has read from the path."""
    assert call("stock", {"delta": 1}, values={"sku": sku})[0] == 202
    assert [body["data"]["sku"] for body in queue.bodies] == [sku]


def test_an_escaped_percent_sign_is_one(queue: MemoryQueue) -> None:
    """The one escape that a platform may leave in a parameter is decoded, once."""
    assert call("stock", {"delta": 1}, values={"sku": "50%25 %2541"})[0] == 202
    assert [body["data"]["sku"] for body in queue.bodies] == ["50% %41"]


def test_an_encoded_path_is_decoded_once(queue: MemoryQueue) -> None:
    """If the event names no route (`$default`, a function URL), the path is matched, then decoded."""
    event: dict[str, Any] = {"routeKey": "$default", "pathParameters": None}
    assert call("stock", {"delta": 1}, rawPath="/stock/%E2%82%AC%2541/adjustments", **event)[0] == 202
    assert [body["data"]["sku"] for body in queue.bodies] == ["\u20ac%41"]
    status, _, body = call("stock", {"delta": 1}, rawPath="/stock/%FF/adjustments", **event)
    assert (status, [error["field"] for error in body["errors"]]) == (422, ["sku"])


@pytest.mark.parametrize("sku", ["a\x00b", "", "x" * 65, "\ud800"])
def test_a_bad_value_in_a_path_is_a_wrong_field(queue: MemoryQueue, sku: str) -> None:
    """A path parameter that is not valid for its field is refused with the field's name."""
    status, _, body = call("stock", {"delta": 1}, values={"sku": sku})
    assert (status, [error["field"] for error in body["errors"]]) == (422, ["sku"])
    assert queue.messages == []


def test_a_field_is_not_given_twice(queue: MemoryQueue) -> None:
    """A body with a field that the path already gives is refused."""
    status, _, body = call("stock", {"delta": 1, "sku": "B2"})
    assert (status, [error["field"] for error in body["errors"]]) == (422, ["sku"])
    assert queue.messages == []


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ("", 400, None),
        ("{", 400, None),
        ("[]", 400, None),
        ('"text"', 400, None),
        ("null", 400, None),
        ("[" * 100_000, 400, None),
        ('{"path": ' + "[" * 32 + "]" * 32 + "}", 400, None),
        ('{"path": ' + "[" * 400 + "]" * 400 + "}", 400, None),
        ('{"path": ' + "[" * 900 + "]" * 900 + "}", 400, None),
        ('{"path": "/a", "path": "/b"}', 422, "path"),
        ('{"path": {"deep": 1, "deep": 1}}', 422, "deep"),
        ({}, 422, "path"),
        (VIEW | {"unknown": 1}, 422, "unknown"),
        (VIEW | {"path": 7}, 422, "path"),
        (VIEW | {"duration_ms": "7"}, 422, "duration_ms"),
        (VIEW | {"duration_ms": float("nan")}, 422, "duration_ms"),
        (VIEW | {"duration_ms": float("inf")}, 422, "duration_ms"),
        (VIEW | {"path": "a\x00b"}, 422, "path"),
        (VIEW | {"path": "\ud800"}, 422, "path"),
        (VIEW | {"visitor": "nobody"}, 422, "visitor"),
        (VIEW | {"viewed_at": "2026-11-20T10:00:00"}, 422, "viewed_at"),
        (VIEW | {"viewed_at": "1700000000"}, 422, "viewed_at"),
        (VIEW | {"viewed_at": 1_700_000_000}, 422, "viewed_at"),
        (VIEW | {"viewed_at": "0001-01-01T00:00:00+10:00"}, 422, "viewed_at"),
        (VIEW | {"viewed_at": "9999-12-31T23:59:59-10:00"}, 422, "viewed_at"),
        (VIEW | {"path": "x" * INTENT_LIMIT_BYTES}, 413, None),
    ],
)
def test_a_bad_request_is_answered_with_its_problem(
    queue: MemoryQueue, body: Any, status: int, field: str | None
) -> None:
    """A bad body is answered with a problem document that names the field, and nothing is sent."""
    answered, headers, problem = call("page_views", body)
    assert answered == status == problem["status"]
    assert headers["Content-Type"] == "application/problem+json"
    assert problem["type"].startswith("urn:penstock:problem:")
    assert problem["title"]
    assert problem["detail"]
    assert field is None or field in [error["field"] for error in problem["errors"]]
    assert queue.messages == []


def test_a_body_may_come_in_base64(queue: MemoryQueue) -> None:
    """API Gateway encodes bodies that it regards as binary. A decoded body that is not UTF-8 is refused."""
    good = base64.b64encode(json.dumps(VIEW).encode()).decode()
    bad = base64.b64encode(b'{"path": "\xff"}').decode()
    assert call("page_views", good, isBase64Encoded=True)[0] == 202
    assert call("page_views", bad, isBase64Encoded=True)[0] == 400
    assert call("page_views", "no base64!", isBase64Encoded=True)[0] == 400


def test_no_202_unless_the_queue_acknowledged(queue: MemoryQueue) -> None:
    """If SQS does not acknowledge, the answer is 503 with Retry-After."""
    queue.refuse("ThrottlingException", calls=None)
    status, headers, problem = call("page_views", VIEW)
    assert status == problem["status"] == 503
    assert int(headers["Retry-After"]) > 0


def test_no_500_while_the_receipt_key_is_unavailable(secrets: Secrets, monkeypatch: pytest.MonkeyPatch) -> None:
    """If no receipt can be signed nothing is sent, and the answer is 503 with Retry-After."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key=secrets.arn, source="/shop"), queue)
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    secrets.fail()
    status, headers, problem = call("page_views", VIEW)
    assert (status, problem["type"]) == (503, "urn:penstock:problem:not-ready")
    assert int(headers["Retry-After"]) > 0
    assert queue.messages == []


def test_an_answer_is_small_whatever_was_sent(queue: MemoryQueue) -> None:
    """Of many wrong fields the first are listed, with truncated names, and all are counted."""
    many = {f"{number:05}{'x' * 1000}": 1 for number in range(900)}
    status, _, body = call("page_views", VIEW | many)
    assert (status, len(body["errors"])) == (422, 20)
    assert body["detail"] == "900 fields are wrong; the first 20 are listed."
    assert len(json.dumps(body)) < 10_000


def test_a_time_is_sent_in_utc(queue: MemoryQueue) -> None:
    """A time with an offset that Postgres would refuse is accepted, and converted to UTC."""
    assert call("page_views", VIEW | {"viewed_at": "2026-11-20T10:00:00+23:00"})[0] == 202
    assert [body["data"]["viewed_at"] for body in queue.bodies] == ["2026-11-19T11:00:00Z"]


def test_the_same_key_gets_the_same_answer(queue: MemoryQueue) -> None:
    """A repeated Idempotency-Key, quoted or bare, is the same write."""
    answers = [call("page_views", VIEW, headers={"idempotency-key": key}) for key in ("k1", '"k1"', "k2")]
    assert answers[0] == answers[1] != answers[2]


@pytest.mark.parametrize("key", ["", '"', '""', '"a', 'a"b', "k" * 256, "a\x00b", "\u00e9", "\ud800"])
def test_a_bad_idempotency_key_is_refused(queue: MemoryQueue, key: str) -> None:
    """A key that is empty, too long, or not printable ASCII is answered with 400."""
    status, _, problem = call("page_views", VIEW, headers={"idempotency-key": key})
    assert (status, problem["type"]) == (400, "urn:penstock:problem:bad-idempotency-key")
    assert queue.messages == []


def test_only_the_service_can_mark_a_replay(queue: MemoryQueue) -> None:
    """A producer does not detect a replay. A service that does can set the header."""
    again = [call("page_views", VIEW, headers={"idempotency-key": "k"})[1] for _ in range(2)]
    assert not [headers for headers in again if "Idempotent-Replayed" in headers]
    receipt = sign(new_id(), "key")
    assert accepted(receipt, replayed=True)["headers"]["Idempotent-Replayed"] == "true"


def test_each_tenant_has_keys_of_its_own(queue: MemoryQueue, limit: Limit) -> None:
    """The same key of two tenants is two writes. Only the verified claim names the tenant."""
    limit("page_views", tenant_claim="sub")
    tokens: list[Any] = [
        {"jwt": {"claims": {"sub": "a"}}},
        {"jwt": {"claims": {"sub": "b"}}},
        {"lambda": {"sub": "a"}},
        {"iam": {"sub": "b"}},
    ]
    headers = {"idempotency-key": "k", "sub": "a", "tenant": "a", "authorization": "Bearer a"}
    ids = [call("page_views", VIEW, headers=headers, authorizer=token)[2]["id"] for token in tokens]
    assert ids[0] == ids[2] != ids[1] == ids[3]


@pytest.mark.parametrize("authorizer", [None, {}, {"jwt": None}, {"jwt": {"claims": {"sub": ""}}}])
def test_a_token_without_a_tenant_is_refused(queue: MemoryQueue, limit: Limit, authorizer: Any) -> None:
    """If the service has tenants, a request without one is refused with 403."""
    limit("page_views", tenant_claim="sub")
    status, _, problem = call("page_views", VIEW, headers={"idempotency-key": "k"}, authorizer=authorizer)
    assert (status, problem["type"]) == (403, "urn:penstock:problem:no-tenant")
    assert queue.messages == []


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("respond-async", "respond-async"),
        ("wait=5, respond-async", "respond-async"),
        ("Respond-Async; x=1", "respond-async"),
        ("wait=5", None),
        ("return=minimal", None),
        ("", None),
    ],
)
def test_an_applied_preference_is_in_the_answer(queue: MemoryQueue, prefer: str, applied: str | None) -> None:
    """A write is always answered at once: `respond-async` is applied, and `wait` is not."""
    status, headers, _ = call("page_views", VIEW, headers={"prefer": prefer})
    assert (status, headers.get("Preference-Applied")) == (202, applied)


@pytest.mark.parametrize(
    ("limits", "body", "problem"),
    [
        ({"body_limit": 100}, VIEW | {"path": "x" * 100}, (413, "too-large")),
        ({"nesting_limit": 2}, {"path": [[]]}, (400, "too-deep")),
        ({"nesting_limit": 3}, {"path": [[]]}, (422, "invalid-fields")),
    ],
)
def test_limits_are_settings(
    queue: MemoryQueue, limit: Limit, limits: dict[str, int], body: Any, problem: tuple[int, str]
) -> None:
    """The service sets the limits of a body's size and nesting."""
    limit("page_views", **limits)
    status, _, answered = call("page_views", body)
    assert (status, answered["type"].removeprefix("urn:penstock:problem:")) == problem


def test_every_problem_is_documented() -> None:
    """The table in docs/http.md has each problem type, with its status and title, and no other."""
    table = re.findall(r"^\| `([a-z-]+)` \| (\d+|none) \| (.+?) \|", (ROOT / "docs" / "http.md").read_text(), re.M)
    assert {name: (status, title) for name, status, title in table} == {
        name: (str(kind.status.value) if kind.status else "none", kind.title) for name, kind in PROBLEMS.items()
    }


def test_other_paths_are_not_found(queue: MemoryQueue) -> None:
    """A path without a route is answered with a problem document too."""
    assert call("page_views", {}, route="GET /elsewhere")[2]["type"] == "urn:penstock:problem:not-found"


def test_an_unexpected_error_reveals_nothing(
    queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug is answered with 500, and neither the answer nor the log holds a value of the request."""

    def broken(*_args: Any) -> Any:
        raise RuntimeError(f"cannot send {VIEW['visitor']}")

    monkeypatch.setattr(queue, "send", broken)
    status, _, problem = call("page_views", VIEW)
    assert status == 500
    assert VIEW["visitor"] not in json.dumps(problem) + caplog.text
