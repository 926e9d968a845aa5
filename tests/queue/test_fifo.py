"""FIFO queues: the order within a group, through refusals and retries."""

from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.queue import Outgoing, SqsQueue
from tests.support.sqs import FIFO_URL

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

pytestmark = pytest.mark.usefixtures("_no_pauses")


class Fifo:
    """A client of a FIFO queue that refuses some bodies, each a given number of times."""

    def __init__(self, refusals: dict[str, int]) -> None:
        self.stored: list[str] = []
        self.calls = 0
        self._refusals = refusals

    def send_message_batch(self, Entries: list[dict[str, Any]], **_kwargs: Any) -> dict[str, Any]:  # noqa: N803
        """Store the bodies that are not refused."""
        self.calls += 1
        response: dict[str, list[dict[str, Any]]] = {"Successful": [], "Failed": []}
        for entry in Entries:
            body = entry["MessageBody"]
            if self._refusals.get(body, 0):
                self._refusals[body] -= 1
                response["Failed"].append({"Id": entry["Id"], "Code": "InternalError", "SenderFault": False})
            else:
                self.stored.append(body)
                response["Successful"].append({"Id": entry["Id"]})
        return response


def grouped(bodies: str) -> list[Outgoing]:
    """Make messages from bodies such as `a1 b1 a2`; the letter is the group."""
    return [Outgoing(body, group=body[0], deduplication_id=body) for body in bodies.split()]


def test_a_fifo_queue_keeps_the_order_through_refusals() -> None:
    """While a message is retried, no later message of its group is sent."""
    client = Fifo({"a1": 2, "b2": 1})
    queue = SqsQueue(FIFO_URL, cast("SQSClient", client), timeout_seconds=60)
    assert queue.send(grouped("a1 a2 b1 b2 a3 c1 b3")) == {}
    assert [body for body in client.stored if body[0] == "a"] == ["a1", "a2", "a3"]
    assert [body for body in client.stored if body[0] == "b"] == ["b1", "b2", "b3"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.sampled_from("abc"), max_size=30),
    st.dictionaries(st.integers(0, 29), st.integers(1, 2), max_size=4),
)
def test_a_fifo_queue_keeps_the_beginning_of_each_group(groups: list[str], refusals: dict[int, int]) -> None:
    """Whatever is refused, the queue stores the first messages of each group, in order, and no others."""
    messages = [Outgoing(f"{group}{n}", group=group, deduplication_id=str(n)) for n, group in enumerate(groups)]
    client = Fifo({messages[n].body: 99 for n in refusals if n < len(messages)})
    queue = SqsQueue(FIFO_URL, cast("SQSClient", client), timeout_seconds=0.2)
    refused = queue.send(messages)
    assert sorted(client.stored) == sorted(m.body for n, m in enumerate(messages) if n not in refused)
    for group in {*groups}:
        given_ = [message.body for message in messages if message.group == group]
        stored = [body for body in client.stored if body[0] == group]
        assert stored == given_[: len(stored)]


def test_a_fifo_queue_packs_different_groups() -> None:
    """Messages of different groups share a call; two messages of one group do not."""
    client = Fifo({})
    SqsQueue(FIFO_URL, cast("SQSClient", client)).send(grouped("a1 b1 c1 d1 e1 a2 b2"))
    assert client.calls == 2


def test_an_invalid_body_blocks_its_group_only() -> None:
    """After a body that is not UTF-8, no message of the same group is sent; other groups are."""
    client = Fifo({})
    broken = Outgoing("\ud800", group="a", deduplication_id="x")
    refused = SqsQueue(FIFO_URL, cast("SQSClient", client)).send([*grouped("a1"), broken, *grouped("a2 b1")])
    assert {n: refusal.code for n, refusal in refused.items()} == {1: "InvalidMessageContents", 2: "BehindRefusal"}
    assert client.stored == ["a1", "b1"]
