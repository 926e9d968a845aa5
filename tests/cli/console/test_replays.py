"""Changes from a console: a replay with its canary, the breaker. Each is confirmed, and on record."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from sqlalchemy import Engine

from penstock.cli.console.tasks import Task
from penstock.cli.operate.causes import survey
from penstock.consumer.breaker.event_source import OPERATOR_MARK
from penstock.testing.queue import MemoryQueue
from tests.support.console import Browser, browser_on
from tests.support.dlq import FOREIGN, operation_records
from tests.support.lambdas import LambdaStub
from tests.support.ledgers import Ledger
from tests.support.operate import RETENTION, dead_letter, operated

CONFIRMED: dict[str, Any] = {"do": "replay", "confirm": "yes"}


def queues(count: int) -> tuple[MemoryQueue, MemoryQueue]:
    dead = MemoryQueue()
    dead.send([dead_letter(number) for number in range(1, count + 1)])
    return dead, MemoryQueue(dead.clock)


@contextmanager
def changing(engine: Engine | None, count: int = 3, stub: LambdaStub | None = None) -> Iterator[Browser]:
    """Open a console that allows changes, on some dead letters of one cause."""
    with browser_on(operated(*queues(count), engine, stub), allow_changes=True) as browser:
        browser.read()
        yield browser


def settle(engine: Engine, outcome: str, count: int = 3) -> None:
    """Write the outcome that the drain will come to."""
    ledger = Ledger(engine)
    for _ in range(count):
        ledger.enter(outcome, ago=-60)


def until(condition: Callable[[], object]) -> None:
    """Wait until a condition holds."""
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        threading.Event().wait(0.01)


def finished(browser: Browser) -> Task:
    """Wait for the end of the newest task."""
    task = browser.console.tasks.all[0]
    task.join(20)
    assert task.is_over
    return task


def test_a_replay_shows_its_progress_and_is_on_record(engine: Engine) -> None:
    """A canary that is applied is followed by the rest, and the page, the record and the scan after it say so."""
    settle(engine, "applied")
    with changing(engine) as browser:
        path = f"/causes/{browser.first_key}/replay"
        assert "Replay 3 dead letters" in browser.get(path)
        browser.post(path, canary="1", rest="yes", **CONFIRMED)
        finished(browser)
        text = browser.get("/replays/1")
        assert "Done: replay" in text
        assert "Wait for its outcomes: 1 applied" in text
        assert "<strong>3</strong> replayed" in text
        assert browser.client.get("/replays/1/part").status_code == 205
        assert operation_records(engine)[0]["actor"] == "user/alice"
        assert operation_records(engine)[0]["counts"] == {"replayed": 3}
        until(lambda: browser.console.surveys.latest and not browser.console.surveys.latest.causes)
        assert "There are no dead letters" in browser.get("/causes")
        assert "over" in browser.get("/replays")


def test_a_canary_alone(engine: Engine) -> None:
    """Without the tick for the rest, only the canary is sent."""
    settle(engine, "applied")
    with changing(engine) as browser:
        browser.post(f"/causes/{browser.first_key}/replay", canary="2", **CONFIRMED)
        finished(browser)
        assert "Send the rest" not in browser.get("/replays/1")
        assert browser.console.stage.main.depth().total == 2


def test_a_dead_canary(engine: Engine) -> None:
    """A canary that dies stops the replay, and the page says why and what is left."""
    settle(engine, "dead")
    with changing(engine) as browser:
        browser.post(f"/causes/{browser.first_key}/replay", canary="1", rest="yes", **CONFIRMED)
        finished(browser)
        text = browser.get("/replays/1")
        assert "Failed: replay" in text
        assert "the canary failed: 1 dead. The rest was not sent" in text
        assert browser.console.stage.main.depth().total == 1


def test_one_letter(engine: Engine) -> None:
    """One letter is replayed alone."""
    settle(engine, "applied")
    with changing(engine) as browser:
        found = browser.console.surveys.latest
        assert found
        path = f"/letters/{found.letters[browser.first_key][0].message_id}/replay"
        assert "Replay one dead letter" in browser.get(path)
        browser.post(path, **CONFIRMED)
        finished(browser)
        assert browser.console.stage.main.depth().total == 1


def test_a_replay_can_be_stopped_and_runs_alone(engine: Engine) -> None:
    """While a replay waits for its canary another one is refused; the button ends it, and the rest stays."""
    with changing(engine) as browser:
        path = f"/causes/{browser.first_key}/replay"
        browser.post(path, canary="1", rest="yes", **CONFIRMED)
        until(lambda: "waiting" in str(browser.console.tasks.all[0].progress))
        assert "Wait for its outcomes" in browser.get("/replays/1/part")
        assert "Busy" in browser.post(path, 409, canary="1", **CONFIRMED)
        browser.post("/replays/1/stop")
        finished(browser)
        assert "It was asked to stop" in browser.get("/replays/1")
        assert operation_records(engine)[0]["outcome"] == "interrupted"
        assert survey(browser.console.stage.dead, RETENTION).seen == 2


def test_the_end_of_the_console_stops_a_replay(engine: Engine) -> None:
    """If the console ends while a replay runs, the replay ends with it, and is on record as interrupted."""
    with changing(engine) as browser:
        browser.post(f"/causes/{browser.first_key}/replay", canary="1", rest="yes", **CONFIRMED)
        until(lambda: "waiting" in str(browser.console.tasks.all[0].progress))
        dead = browser.console.stage.dead
    assert operation_records(engine)[0]["outcome"] == "interrupted"
    assert dead.depth().visible == 2


@pytest.mark.parametrize(
    ("form", "text"),
    [
        ({"canary": "1"}, "tick the box"),
        ({"canary": "0", "confirm": "yes"}, "a number from 1"),
        ({"canary": "x", "confirm": "yes"}, "a number from 1"),
        ({"canary": "9" * 5000, "confirm": "yes"}, "a number from 1"),
    ],
)
def test_a_wrong_form_sends_nothing(form: dict[str, str], text: str) -> None:
    """Without a confirmation, or with a wrong value, nothing is sent, and the form says what is wrong."""
    with changing(None) as browser:
        path = f"/causes/{browser.first_key}/replay"
        assert text in browser.post(path, 422, do="replay", **form)
        assert browser.console.stage.main.depth().total == 0
        assert not browser.console.tasks.all


def test_the_form_says_what_stands_in_the_way() -> None:
    """If the drain is off, the form says so and what turns it on; and what cannot be read."""
    with changing(None, stub=LambdaStub(on=False, tags={OPERATOR_MARK: "index build"})) as browser:
        text = browser.get(f"/causes/{browser.first_key}/replay")
        assert "The drain is off, by an operator: index build." in text
        assert "penstock breaker close" in text
        assert "Not known: whether intents are handed back" in text


def test_a_console_is_read_only() -> None:
    """Without --allow-changes no form changes anything, however it is sent."""
    stub = LambdaStub()
    with browser_on(operated(*queues(3), stub=stub)) as browser:
        browser.read()
        path = f"/causes/{browser.first_key}/replay"
        assert "read-only" in browser.get(path)
        assert "name=&#34;confirm" not in browser.get(path)
        assert "--allow-changes" in browser.post(path, 409, canary="1", **CONFIRMED)
        assert "--allow-changes" in browser.post("/breaker", 409, do="open", reason="x", confirm="yes")
        assert (browser.console.stage.main.depth().total, stub.on, browser.console.tasks.all) == (0, True, [])


def test_messages_without_an_intent_are_not_replayed_as_a_group() -> None:
    """Letters without a cause of their own have no group to replay."""
    dead = MemoryQueue()
    dead.send([FOREIGN])
    with browser_on(operated(dead, MemoryQueue()), allow_changes=True) as browser:
        browser.read()
        assert "/causes/other/replay" not in browser.get("/causes/other")
        for key in ("unnamed", "other"):
            assert "No group to replay" in browser.get(f"/causes/{key}/replay", 409)


def test_the_breaker() -> None:
    """The drain is turned off with a reason and a confirmation, also while the database is away, and on again."""
    stub = LambdaStub()
    with changing(None, stub=stub) as browser:
        assert "Nothing was done" in browser.post("/breaker", 409, do="open", reason="x")
        assert "Nothing was done" in browser.post("/breaker", 409, do="open", reason=" ", confirm="yes")
        browser.post("/breaker", do="open", reason="index build", confirm="yes")
        finished(browser)
        assert not stub.on
        assert "index build" in stub.tags["penstock:operator"]
        assert "Turning the drain off: done" in browser.get("/")
        browser.post("/breaker", do="close", confirm="yes")
        finished(browser)
        assert stub.on
