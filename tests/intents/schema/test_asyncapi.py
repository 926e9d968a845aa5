"""The AsyncAPI document: valid by AsyncAPI's own schema, and true of the messages."""

import json
from typing import Any

import jsonschema_rs
import pytest

from penstock import WriteIntent
from penstock.intents import encode_envelope, new_id
from penstock.intents.schema.asyncapi import DeployedQueue, describe
from shared.intents import OrderPlaced, PageViewed, StockAdjusted
from tests.support.cli_stack import Run, Stack
from tests.support.project import ROOT

OFFICIAL = ROOT / "node_modules" / "@asyncapi" / "specs" / "schemas" / "3.1.0-without-$id.json"
QUEUE = DeployedQueue("dev", "https://sqs.eu-central-1.amazonaws.com/123456789012/shop-dev-writes.fifo")
KINDS: list[type[WriteIntent]] = [StockAdjusted, PageViewed, OrderPlaced]


class Placed(WriteIntent, kind="part.placed", version=3):
    """Where a part is.

    More about it.
    """

    at: tuple[int, str]
    along: tuple[int, ...] = ()


@Placed.upgrader(1)
@Placed.upgrader(2)
def _(data: dict[str, Any]) -> dict[str, Any]:
    return data


@pytest.fixture(scope="module")
def official() -> jsonschema_rs.Validator:
    """AsyncAPI's own schema of version 3.1 (npm: @asyncapi/specs)."""
    return jsonschema_rs.validator_for(json.loads(OFFICIAL.read_text()))


@pytest.mark.parametrize("queue", [None, QUEUE])
def test_the_document_is_valid(official: jsonschema_rs.Validator, queue: DeployedQueue | None) -> None:
    """AsyncAPI's own schema accepts the document, with a queue and without, and refuses a wrong one."""
    made = describe([*KINDS, Placed], title="Shop", version="2.1", queue=queue)
    official.validate(made)
    assert not official.is_valid(made | {"operations": {"drain": {"action": "drain"}}})
    assert made["info"] == {"title": "Shop", "version": "2.1"}
    channel = made["channels"]["writes"]
    assert list(channel["messages"]) == ["order.placed", "page.viewed", "part.placed", "stock.adjusted"]
    if queue is None:
        assert (channel["address"], "servers" in made) == (None, False)
    else:
        host = {"host": "sqs.eu-central-1.amazonaws.com", "pathname": "/123456789012", "protocol": "sqs"}
        assert made["servers"] == {"dev": host}
        assert channel["address"] == "shop-dev-writes.fifo"
        assert channel["bindings"]["sqs"]["queue"]["fifoQueue"] is True


def test_every_reference_has_its_target() -> None:
    """All that the document refers to is in it."""
    made = describe([*KINDS, Placed], title="Shop", version="1", queue=QUEUE)
    references = {part.split('"')[1] for part in json.dumps(made).split('"$ref": ')[1:]}
    assert len(references) > len(KINDS)
    for reference in references:
        found: Any = made
        for name in reference.removeprefix("#/").split("/"):
            found = found[name]
        assert found


@pytest.mark.parametrize(
    ("intent", "wrong"),
    [
        (StockAdjusted(sku="A1", delta=-2), {"sku": 1, "delta": 2}),
        (Placed(at=(1, "x"), along=(1, 2)), {"at": [1, 2]}),
        (Placed(at=(1, "x")), {"at": [1, "x", 3]}),
    ],
)
def test_the_payload_is_the_message(intent: WriteIntent, wrong: dict[str, Any]) -> None:
    """What is emitted is valid by the payload of its kind, as JSON Schema draft-07; other data is not."""
    made = describe([*KINDS, Placed], title="Shop", version="1")
    payload = made["components"]["messages"][intent.intent_kind]["payload"]
    # Draft-07 ignores all that is beside a `$ref`.
    validator = jsonschema_rs.Draft7Validator({"allOf": [payload], "components": made["components"]})
    message = json.loads(encode_envelope(intent, id=new_id(), source="/shop"))
    validator.validate(message)
    assert not validator.is_valid(message | {"data": wrong})
    assert not validator.is_valid(message | {"type": "other.kind"})
    assert not validator.is_valid(message | {"dataversion": 9})


def test_the_summary_is_the_first_line() -> None:
    """A message has the first line of its class's docstring; a class without one has no summary."""

    class Silent(WriteIntent, kind="part.silent"):
        x: int

    messages = describe([Placed, Silent], title="Shop", version="1")["components"]["messages"]
    assert messages["part.placed"]["summary"] == "Where a part is."
    assert "summary" not in messages["part.silent"]


def test_the_command_prints_the_document(shop: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command prints the same each time; with --stage the address of the queue is in it."""
    (shop.folder / "asyncapi_intents.py").write_text(
        "from penstock import WriteIntent\nclass Seen(WriteIntent, kind='part.seen'):\n    name: str\n"
    )
    monkeypatch.syspath_prepend(str(shop.folder))
    words = ("intents", "asyncapi", "--module", "asyncapi_intents")
    plain = run(*words)
    assert plain.code == 0, plain.err
    made = json.loads(plain.out)
    assert (made["asyncapi"], made["info"]["version"], list(made["components"]["messages"])) == (
        "3.1.0",
        "1",
        ["part.seen"],
    )
    assert run(*words).out == plain.out
    there = json.loads(run(*words, "--title", "Parts", "--version", "7", "--stage", "local").out)
    assert there["info"] == {"title": "Parts", "version": "7"}
    assert there["channels"]["writes"]["address"] == shop.main.url.rpartition("/")[2]
    assert run(*words, "--stage", "nowhere").code == 1
