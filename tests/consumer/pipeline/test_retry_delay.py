"""How often a message is received before its retention ends."""

import time
from typing import Any

import pytest

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import PayloadFault
from penstock.consumer.pipeline import retry_delay
from penstock.consumer.retention import Retention
from penstock.testing import MemoryQueue

DAY = 86_400


@pytest.mark.parametrize("retention", [600, DAY, 4 * DAY, 14 * DAY])
def test_receives_within(retention: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number is that of a message that is delivered each time as early as the schedule allows."""
    monkeypatch.setattr("penstock.consumer.pipeline.retry_delay.random.randint", lambda low, _: low)
    queue = MemoryQueue(retention_seconds=retention)
    delays: list[int] = []

    def remember(leases: list[tuple[str, int]], **_: Any) -> dict[str, Any]:
        delays.append(leases[0][1])
        return {}

    monkeypatch.setattr(queue, "change_visibility", remember)
    age = receives = 0
    while age < retention:
        receives += 1
        record = {"messageId": "1", "receiptHandle": "1", "attributes": {"ApproximateReceiveCount": str(receives)}}
        item = Item(record, fault=PayloadFault("payload-unavailable"))
        retry_delay.set_retry_visibility(
            Batch([item], time.monotonic() + 30, "1", {"1": item}), queue, Retention(queue)
        )
        age += delays[-1]
    assert retry_delay.receives_within(retention) == receives
