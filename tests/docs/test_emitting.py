"""The page about emitting does what it says."""

import asyncio
import json
import re
import textwrap
from typing import Any
from uuid import uuid4

import httpx
import pytest

import penstock
from penstock import WriteIntent
from penstock.intents import verify
from penstock.producer import EmitError, Producer, emitter
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue
from shared.intents import StockAdjusted
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "emitting.md").read_text()
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
FRAMEWORKS = {found[1]: code for code in SNIPPETS if (found := re.match(r"# (\w+)\n", code))}
KEY = {"Idempotency-Key": "k"}


class Order(WriteIntent, kind="order.made"):
    order_id: str
    customer: str


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> MemoryQueue:
    """The queue in memory that the snippets emit to."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key="key", source="/shop"), queue)
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    return queue


def run(code: str, **names: Any) -> dict[str, Any]:
    """Run a snippet and return what it defines."""
    names["__name__"] = "snippet"
    exec(compile(code, "emitting.md", "exec"), names)  # noqa: S102
    return names


def ask_powertools(app: dict[str, Any], body: str) -> tuple[int, str]:
    event = {
        "version": "2.0",
        "rawPath": "/stock/adjustments",
        "requestContext": {"http": {"method": "POST"}, "stage": "$default"},
        "headers": {name.lower(): value for name, value in KEY.items()},
        "body": body,
    }
    answer = app["handler"](event, LambdaContext())
    return answer["statusCode"], answer["body"]


def ask_fastapi(app: dict[str, Any], body: str) -> tuple[int, str]:
    async def ask() -> httpx.Response:
        door = httpx.ASGITransport(app["app"])
        async with httpx.AsyncClient(transport=door, base_url="http://service") as client:
            return await client.post("/stock/adjustments", content=body, headers=KEY)

    answer = asyncio.run(ask())
    return answer.status_code, answer.text


def ask_flask(app: dict[str, Any], body: str) -> tuple[int, str]:
    answer = app["app"].test_client().post("/stock/adjustments", data=body, headers=KEY)
    return answer.status_code, answer.text


ASK = {"powertools": ask_powertools, "fastapi": ask_fastapi, "flask": ask_flask}


def test_every_framework_is_tried() -> None:
    """Each framework that the page has an example for is tried here, and no other."""
    assert FRAMEWORKS.keys() == ASK.keys()


@pytest.mark.parametrize("framework", ASK)
def test_an_example_answers_202_with_a_receipt(framework: str, queue: MemoryQueue) -> None:
    """A request is on the queue, and its repeat with the same key has the same receipt."""
    app = run(FRAMEWORKS[framework])
    status, body = ASK[framework](app, json.dumps({"sku": "A1", "delta": -2}))
    assert (status, ASK[framework](app, json.dumps({"sku": "A1", "delta": -2}))) == (202, (202, body))
    assert str(verify(json.loads(body)["receipt"], "key").id) == json.loads(body)["id"] == queue.bodies[0]["id"]
    assert queue.bodies[0]["data"] == {"sku": "A1", "delta": -2}


@pytest.mark.parametrize("framework", ASK)
def test_an_example_answers_errors(framework: str, queue: MemoryQueue) -> None:
    """What is wrong is a 422, and what SQS does not keep is a 503."""
    app = run(FRAMEWORKS[framework])
    assert ASK[framework](app, json.dumps({"sku": "A1", "delta": "two"}))[0] == 422
    assert ASK[framework](app, "{")[0] == 422
    queue.refuse("ServiceUnavailable")
    assert ASK[framework](app, json.dumps({"sku": "A1", "delta": -2}))[0] == 503
    assert queue.messages == []


def test_the_other_snippets_run(queue: MemoryQueue) -> None:
    """Every snippet of the page runs as it stands, and emits what it names."""
    orders = [Order(order_id=str(uuid4()), customer="c") for _ in range(3)]
    for code in SNIPPETS:
        if code in FRAMEWORKS.values():
            continue
        names: dict[str, Any] = {name: getattr(penstock, name) for name in penstock.__all__}
        names |= {"order": orders[0], "orders": orders, "key": "k", "tenant": "t", "StockAdjusted": StockAdjusted}
        if "await" in code:
            code = f"async def main():\n{textwrap.indent(code, '    ')}"  # noqa: PLW2901
            asyncio.run(run(code, **names)["main"]())
        else:
            run(code, **names)
    assert [len(queue.messages), {body["type"] for body in queue.bodies}] == [
        1 + 3 + 3 + 4 + 1 + 4 + 1,
        {"order.made", "stock.adjusted"},
    ]


def test_every_error_is_on_the_page() -> None:
    """The table of errors names each that emitting has."""
    errors = {error.__name__ for error in EmitError.__subclasses__()}
    assert errors | {"pydantic.ValidationError", "ValueError"} == {
        name for row in re.findall(r"^\| (`.*?`) \|", PAGE, re.MULTILINE) for name in re.findall(r"`(.*?)`", row)
    }
