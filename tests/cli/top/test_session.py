"""What runs behind the screens of `penstock top`: threads, the stage that is opened once, and the tenants."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event, Thread, current_thread, main_thread
from typing import Any

import pytest

from penstock.cli.operate.letters import Letter
from penstock.cli.operate.stage import OperatedStage
from penstock.cli.support.errors import Failure
from penstock.cli.top.session import Session
from penstock.cli.top.tenants import Tenants, count_tenants, read_tenants
from penstock.cli.top.threads import Stop, Stopped, Threads
from penstock.deadletters import DeadLetterMessage
from penstock.queue import Outgoing
from penstock.testing.queue import MemoryQueue
from tests.support.operate import operated

NOW = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


class CloudWatch:
    """A CloudWatch with the newest values of some metrics."""

    def __init__(self, **values: float) -> None:
        self._values = values
        self.asked: list[str] = []

    def get_metric_statistics(self, *, MetricName: str, **_: Any) -> Any:  # noqa: N803
        self.asked.append(MetricName)
        value = self._values.get(MetricName)
        old = {"Timestamp": NOW - timedelta(minutes=2), "Maximum": 99.0}
        return {"Datapoints": [] if value is None else [{"Timestamp": NOW, "Maximum": value}, old]}


def letters(*groups: str | None) -> list[Letter]:
    queue = MemoryQueue()
    assert queue.send([Outgoing("{}")] * len(groups)) == {}
    found = [Letter.of(DeadLetterMessage.of(one), 60) for one in queue.receive(10)]
    return [replace(letter, group=group) for letter, group in zip(found, groups, strict=True)]


def test_work_that_is_cancelled_is_told_to_stop() -> None:
    """Cancelling the wait does not wait for the work, which stops at its next check; others wait for it."""
    threads, begun, cleaned = Threads(), Event(), Event()

    def work(stop: Stop) -> None:
        begun.set()
        assert stop.wait(30)
        try:
            stop.check()
        except Stopped:
            cleaned.set()
            raise

    async def run() -> None:
        task = asyncio.create_task(threads.call_with_stop(work))
        await asyncio.to_thread(begun.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert threads.stop_all(30)
    assert cleaned.is_set()
    assert not threads.must_clean_up


def test_work_that_hangs_does_not_hold_up_the_end() -> None:
    """Without something to clean up nobody waits for a call; with it, only for so long."""
    threads, never = Threads(), Event()

    async def run() -> None:
        for call in (threads.call(lambda: never.wait(60)), threads.call_with_stop(lambda _: never.wait(60))):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(call, 0.01)

    asyncio.run(run())
    assert threads.must_clean_up
    assert not threads.stop_all(0.01)
    never.set()
    assert threads.stop_all(30)


def test_values_are_shown_until_the_work_is_stopped() -> None:
    """What the work tells is shown by the loop's own thread, nothing after a stop; what it raises is raised."""
    threads, seen = Threads(), Event()
    shown: list[tuple[int, Thread]] = []

    def show(value: int) -> None:
        shown.append((value, current_thread()))
        seen.set()

    def work(stop: Stop) -> None:
        stop.tell(show, 1)
        assert seen.wait(30)
        stop.set()
        stop.tell(show, 2)
        raise Failure("no")

    async def run() -> None:
        with pytest.raises(Failure, match="no"):
            await threads.call_with_stop(work)

    asyncio.run(run())
    assert shown == [(1, main_thread())]


def test_the_stage_is_opened_once() -> None:
    """A failure is tried again, and the stage that was opened is kept."""
    opened: list[int] = []

    def open_stage() -> OperatedStage:
        opened.append(1)
        if len(opened) == 1:
            raise Failure("no credentials")
        return operated(MemoryQueue(), MemoryQueue())

    session = Session(open_stage)
    with pytest.raises(Failure):
        session.stage()
    assert session.stage() is session.stage()
    assert len(opened) == 2


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({}, "not known: CloudWatch has no figure of them"),
        ({"ApproximateNumberOfNoisyGroups": 0.0}, "none is noisy (from CloudWatch)"),
        ({"ApproximateNumberOfNoisyGroups": 2.0}, "about 2 noisy (from CloudWatch)"),
        (
            {
                "ApproximateNumberOfNoisyGroups": 2.0,
                "ApproximateNumberOfMessagesVisibleInQuietGroups": 1204.0,
                "ApproximateAgeOfOldestMessageInQuietGroups": 61.0,
            },
            "about 2 noisy; about 1,204 of the others wait, the oldest 1m (from CloudWatch)",
        ),
    ],
)
def test_noisy_tenants(values: dict[str, float], text: str) -> None:
    """CloudWatch says how many are noisy and how the others fare; what it does not say is not made up."""
    assert read_tenants(CloudWatch(**values), "https://sqs/1/shop", NOW).describe() == text


def test_a_fifo_queue_has_no_tenants() -> None:
    """The groups of a FIFO queue are ordering keys: nothing is asked, and nothing is counted."""
    client = CloudWatch()
    assert read_tenants(client, "https://sqs/1/shop.fifo", NOW).describe() == (
        "not known: the groups of a FIFO queue are ordering keys"
    )
    assert client.asked == []
    assert count_tenants(letters("a", "b"), fifo=True) is None
    assert Tenants(reason="GetMetricStatistics: AccessDenied").describe().endswith("AccessDenied")


def test_the_noisiest_tenants_among_dead_letters() -> None:
    """The noisiest come first, escaped; the rest are counted."""
    found = letters("acme", "b\x1b", "acme", None, "c", "d", "e", "f")
    assert count_tenants(found, fifo=False) == (
        "acme 2, b\N{REPLACEMENT CHARACTER} 1, c 1, d 1, 2 more tenants, without a tenant 1"
    )
    assert count_tenants(letters(None), fifo=False) is None
