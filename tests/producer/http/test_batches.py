"""Several writes in one request: POST /batches."""

import json
from typing import Any

import pytest

from penstock.intents import verify
from penstock.producer import Producer, emitter, large
from penstock.producer.large import INTENT_LIMIT_BYTES
from penstock.settings import Settings
from penstock.testing import MemoryQueue
from tests.support.http import VIEW, Limit, call
from tests.support.secrets import Secrets

LINES = {"content-type": "application/x-ndjson; charset=utf-8"}


def view(number: int = 0, **item: Any) -> dict[str, Any]:
    return {"type": "page.viewed", "data": VIEW | {"path": f"/{number}"}, **item}


def lines(*items: Any) -> str:
    return "".join(f"{json.dumps(item)}\n" for item in items)


def statuses(body: dict[str, Any]) -> list[int]:
    return [item["status"] for item in body["items"]]


@pytest.mark.parametrize("as_lines", [False, True])
def test_a_good_batch_is_answered_202(queue: MemoryQueue, as_lines: bool) -> None:
    """If every item of an array or of lines is acknowledged, the answer is 202 with their receipts in order."""
    items = [view(1), {"type": "stock.adjusted", "data": {"sku": "A1", "delta": 2}}, view(3)]
    body, headers = (lines(*items), LINES) if as_lines else (json.dumps(items), {})
    status, answered, results = call("batches", body, headers={"prefer": "respond-async", **headers})
    assert (status, results["kept"], results["refused"], statuses(results)) == (202, 3, 0, [202] * 3)
    receipts = [item["links"]["self"].removeprefix("/writes/") for item in results["items"]]
    assert [str(verify(receipt, "key").id) for receipt in receipts] == [item["id"] for item in results["items"]]
    assert [message["id"] for message in queue.bodies] == [item["id"] for item in results["items"]]
    assert [message["data"].get("path") for message in queue.bodies] == ["/1", None, "/3"]
    assert (answered["Preference-Applied"], answered["Cache-Control"]) == ("respond-async", "no-store")
    assert int(answered["Retry-After"]) > 0


def test_a_batch_may_be_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With packs a request is one message for each kind, and each item still has its own receipt."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key="key", source="/shop", pack_limit=65_536), queue)
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    items = [view(1), {"type": "stock.adjusted", "data": {"sku": "A1", "delta": 2}}, 7, view(3)]
    status, _, body = call("batches", items)
    assert (status, statuses(body)) == (207, [202, 202, 400, 202])
    views, adjusted = queue.bodies
    assert views["id"] == [body["items"][0]["id"], body["items"][3]["id"]]
    assert adjusted["id"] == body["items"][1]["id"]
    queue.refuse("ThrottlingException", positions=[0])
    assert statuses(call("batches", items)[2]) == [503, 202, 400, 503]


@pytest.mark.parametrize(
    ("item", "status", "name", "field"),
    [
        (7, 400, "not-an-object", None),
        ([], 400, "not-an-object", None),
        ({}, 422, "invalid-fields", "type"),
        (view() | {"id": "x"}, 422, "invalid-fields", "id"),
        ({"type": "email.requested", "data": {}}, 422, "unknown-kind", None),
        ({"type": ["page.viewed"], "data": VIEW}, 422, "unknown-kind", None),
        ({"type": "page.viewed", "data": None}, 422, "invalid-fields", ""),
        ({"type": "page.viewed", "data": VIEW | {"path": 7}}, 422, "invalid-fields", "path"),
        ({"type": "page.viewed", "data": VIEW | {"path": "a\x00b"}}, 422, "invalid-fields", "data.path"),
        ({"type": "page.viewed", "data": VIEW | {"path": [[[[1]]] * 2] * 2}}, 422, "invalid-fields", "path"),
        (view(idempotencyKey=""), 400, "bad-idempotency-key", None),
        (view(idempotencyKey=7), 400, "bad-idempotency-key", None),
        (view(data={"path": "x" * INTENT_LIMIT_BYTES}), 422, "invalid-fields", "path"),
    ],
)
def test_a_bad_item_hurts_no_other(
    queue: MemoryQueue, item: Any, status: int, name: str, field: str | None
) -> None:
    """A bad item gets its own problem, in a 207, and its neighbours are sent."""
    answered, _, body = call("batches", [view(1), item, view(2)])
    assert (answered, statuses(body)) == (207, [202, status, 202])
    assert (body["kept"], body["refused"]) == (2, 1)
    problem = body["items"][1]["problem"]
    assert (problem["type"], problem["status"]) == (f"urn:penstock:problem:{name}", status)
    assert field is None or field in [error["field"] for error in problem["errors"]]
    assert [message["data"]["path"] for message in queue.bodies] == ["/1", "/2"]


def test_a_repeated_key_of_an_object_refuses_its_item(queue: MemoryQueue) -> None:
    """An object that has a key twice refuses its own item, and no other."""
    twice = json.dumps(view()).replace('"type"', '"type": "page.viewed", "type"')
    status, _, body = call("batches", f"[{twice}, {json.dumps(view(1))}]")
    assert (status, statuses(body)) == (207, [422, 202])
    assert body["items"][0]["problem"]["errors"][0]["code"] == "given_twice"


def test_a_batch_without_a_good_item_is_refused(queue: MemoryQueue) -> None:
    """If no item is acknowledged the answer is a problem, with the reason of each item."""
    status, headers, problem = call("batches", [7, view() | {"type": "other"}])
    assert (status, problem["type"]) == (422, "urn:penstock:problem:batch-refused")
    assert (problem["kept"], problem["refused"], statuses(problem)) == (0, 2, [400, 422])
    assert headers["Content-Type"] == "application/problem+json"
    assert queue.messages == []


@pytest.mark.parametrize(
    ("body", "headers", "status", "name"),
    [
        ("", {}, 400, "not-json"),
        ("[", {}, 400, "not-json"),
        ("{}", {}, 400, "bad-batch"),
        ("[]", {}, 400, "bad-batch"),
        ("7", {}, 400, "bad-batch"),
        ("[" * 100_000, {}, 400, "too-deep"),
        ("\n\n", LINES, 400, "bad-batch"),
        (lines(view()) + "{\n", LINES, 400, "not-json"),
        (lines(view()), {"content-type": "text/plain"}, 415, "unsupported-media-type"),
        (lines(*[view()] * 501), LINES, 413, "too-large"),
        (json.dumps([view()] * 501), {}, 413, "too-large"),
        (json.dumps([view()]), {"idempotency-key": ""}, 400, "bad-idempotency-key"),
    ],
)
def test_a_body_that_is_not_a_batch_is_refused_as_a_whole(
    queue: MemoryQueue, body: str, headers: dict[str, str], status: int, name: str
) -> None:
    """A body that is not a batch, or has too many items, is answered with one problem, and nothing is sent."""
    answered, answered_headers, problem = call("batches", body, headers=headers)
    assert (answered, problem["type"]) == (status, f"urn:penstock:problem:{name}")
    assert answered_headers["Content-Type"] == "application/problem+json"
    assert queue.messages == []


def test_a_broken_line_is_named(queue: MemoryQueue) -> None:
    """The line that is not JSON is named by its number."""
    assert "Line 3" in call("batches", f"{lines(view())}\n{{\n", headers=LINES)[2]["detail"]


@pytest.mark.parametrize(
    ("limits", "status", "name"),
    [({"batch_limit": 1}, 413, "too-large"), ({"body_limit": 100}, 413, "too-large")],
)
def test_limits_are_settings(
    queue: MemoryQueue, limit: Limit, limits: dict[str, int], status: int, name: str
) -> None:
    """The service sets the limits of a batch's items and bytes."""
    limit("batches", **limits)
    answered, _, problem = call("batches", [view(), view()])
    assert (answered, problem["type"]) == (status, f"urn:penstock:problem:{name}")


def test_an_item_that_is_too_deep_is_refused(queue: MemoryQueue, limit: Limit) -> None:
    """The service sets the limit of an item's nesting."""
    limit("batches", nesting_limit=2)
    status, _, body = call("batches", [view(1), view(2) | {"data": {"path": []}}])
    assert (status, statuses(body)) == (207, [202, 400])
    assert body["items"][1]["problem"]["type"] == "urn:penstock:problem:too-deep"


def test_an_item_too_large_for_a_message_is_refused_alone(
    queue: MemoryQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An item that is too large for a message is refused, and all other items are sent."""
    monkeypatch.setattr(large, "INTENT_LIMIT_BYTES", 2000)
    items = [view(number) for number in range(9)]
    items[4]["data"]["path"] = "x" * 1900
    status, _, body = call("batches", items)
    assert (status, statuses(body)) == (207, [202] * 4 + [413] + [202] * 4)
    assert len(queue.bodies) == 8


def test_a_key_in_a_batch_is_the_key_of_a_single_write(queue: MemoryQueue) -> None:
    """The same key for the same kind is the same write, in a batch or alone."""
    alone = call("page_views", VIEW, headers={"idempotency-key": "k"})[2]["id"]
    body = call("batches", [view() | {"data": VIEW, "idempotencyKey": "k"}, view() | {"idempotencyKey": None}])[2]
    assert [item["id"] == alone for item in body["items"]] == [True, False]


def test_a_repetition_inside_a_batch_is_marked(queue: MemoryQueue) -> None:
    """The same write twice in a batch is sent once, and the second item is marked as a replay."""
    status, _, body = call("batches", [view(idempotencyKey="k"), view(idempotencyKey="k"), view()])
    assert (status, [item.get("replayed") for item in body["items"]]) == (202, [None, True, None])
    assert body["items"][0]["id"] == body["items"][1]["id"] != body["items"][2]["id"]
    assert len(queue.messages) == 2


def test_a_key_reused_inside_a_batch_is_refused(queue: MemoryQueue) -> None:
    """Another payload with a key of the same batch is refused, and the first one is sent."""
    status, _, body = call("batches", [view(1, idempotencyKey="k"), view(2, idempotencyKey="k")])
    assert (status, statuses(body)) == (207, [202, 422])
    assert body["items"][1]["problem"]["type"] == "urn:penstock:problem:idempotency-key-reused"


def test_a_batch_has_a_key_for_each_item(queue: MemoryQueue) -> None:
    """A batch that is sent again with its Idempotency-Key gets the same receipts. Without a key it does not."""
    batch = [view(1), view(1), view(1, idempotencyKey="own")]
    keyed = [call("batches", batch, headers={"idempotency-key": "b"})[2]["items"] for _ in range(2)]
    assert keyed[0] == keyed[1]
    assert len({item["id"] for item in keyed[0]}) == 3
    other = call("batches", batch)[2]["items"]
    assert [item in keyed[0] for item in other] == [False, False, True]


def test_each_tenant_has_keys_of_its_own(queue: MemoryQueue, limit: Limit) -> None:
    """The keys of items belong to the tenant, and a token without a tenant is refused."""
    limit("batches", tenant_claim="sub")

    def ids(tenant: str) -> Any:
        token = {"jwt": {"claims": {"sub": tenant}}}
        return call("batches", [view(idempotencyKey="k")], authorizer=token)[2]["items"][0]["id"]

    assert ids("a") == ids("a") != ids("b")
    status, _, problem = call("batches", [view(idempotencyKey="k")])
    assert (status, problem["type"]) == (403, "urn:penstock:problem:no-tenant")


def test_what_is_not_acknowledged_is_reported(queue: MemoryQueue) -> None:
    """An item that SQS does not acknowledge is 503 in a 207. If SQS acknowledges none, the answer is 503."""
    queue.refuse("ThrottlingException", positions=[1])
    status, _, body = call("batches", [view(1), view(2), 7])
    assert (status, statuses(body)) == (207, [202, 503, 400])
    assert body["items"][1]["problem"]["type"] == "urn:penstock:problem:not-kept"
    queue.refuse("ThrottlingException", calls=None)
    status, headers, problem = call("batches", [view(1), view(2), 7])
    assert (status, problem["type"]) == (503, "urn:penstock:problem:not-kept")
    assert int(headers["Retry-After"]) > 0


def test_no_item_is_sent_while_the_receipt_key_is_unavailable(
    queue: MemoryQueue, secrets: Secrets, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no receipt can be signed nothing is sent, and the answer is 503."""
    producer = Producer(Settings(receipt_key=secrets.arn, source="/shop"), queue)
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    secrets.fail()
    status, _, problem = call("batches", [view()])
    assert (status, problem["type"]) == (503, "urn:penstock:problem:not-ready")
    assert queue.messages == []
