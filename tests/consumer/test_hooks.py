"""Hooks: what they are told, and that they harm nothing."""

import json
import threading
from collections.abc import Callable, Iterator

import pytest
from sqlalchemy import Engine

from penstock.consumer import Append, DeadLetter, Drain
from penstock.consumer.hooks import HookCalls, Hooks
from penstock.testing import LambdaContext, sqs_event
from tests.support.drain import Bench, ThingMade, things

LETTER = DeadLetter(fault="DataFault", reason="unknown-kind", detail="unknown-kind: hunter2")
TEN = [LETTER] * 10


@pytest.fixture
def release() -> Iterator[threading.Event]:
    """An event that hanging hooks wait for; it is set at the end."""
    event = threading.Event()
    yield event
    event.set()


def told(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Return the action and the message of each record of the log."""
    return [(record.__dict__.get("action", ""), record.getMessage()) for record in caplog.records]


def calls_of(on_dead_letter: Callable[[DeadLetter], object]) -> HookCalls:
    """Return the calls of one hook."""
    return HookCalls(lambda: Hooks(on_dead_letter=on_dead_letter))


class Told(Bench):
    """A drain whose hook keeps what it is told."""

    def __init__(self, engine: Engine, hook: Callable[[DeadLetter], object] | None = None) -> None:
        super().__init__(engine)
        self.told: list[DeadLetter] = []
        self.drain = Drain(
            engine=engine,
            queue=self.queue,
            dead_letters=self.dead_letters,
            on_dead_letter=hook or self.told.append,
        )
        self.drain.write(ThingMade, Append(things))


def test_a_hook_is_told_of_each_dead_letter_that_is_safe(engine: Engine) -> None:
    """It gets kind, id, reason and fingerprint, once the letter is on the dead-letter queue; no payload."""
    bench = Told(engine)
    twice = ThingMade(name="a")
    assert bench([twice, ThingMade(name="a"), "hunter2"]) == []
    assert bench.told == bench.letters
    unique = next(letter for letter in bench.told if letter.kind)
    assert (unique.reason, unique.kind, len(unique.fingerprint or "")) == ("UniqueViolation", "thing.made", 12)
    assert "hunter2" not in json.dumps([repr(letter) for letter in bench.told])


def test_what_the_dead_letter_queue_refused_is_told_to_nobody(engine: Engine) -> None:
    """A letter that goes back to the queue is no dead letter yet."""
    bench = Told(engine)
    bench.dead_letters.refuse("InternalError", calls=1, retryable=False)
    assert len(bench(["nonsense"])) == 1
    assert bench.told == []
    assert bench(["nonsense"]) == []
    assert [letter.reason for letter in bench.told] == ["not-json"]


def test_a_hook_that_raises_or_exits_changes_nothing(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """The response is the same, and the log has the type and the place of the error, not its text."""

    def broken(letter: DeadLetter) -> None:
        raise SystemExit("hunter2") if letter.kind else KeyError("hunter2")

    bench = Told(engine, broken)
    assert bench([ThingMade(name="a"), "nonsense", ThingMade(name="a")]) == []
    assert bench.names == ["a"]
    failed = sorted(message for action, message in told(caplog) if action == "hook_failed")
    assert [message.split(" at ")[0] for message in failed] == [
        "the hook on_dead_letter failed: KeyError",
        "the hook on_dead_letter failed: SystemExit",
    ]
    assert "hunter2" not in caplog.text


def test_a_hook_that_hangs_holds_the_invocation_for_a_bounded_time(
    caplog: pytest.LogCaptureFixture, release: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The invocation goes on, the rest is counted in the log, and no second thread hangs beside the first."""
    monkeypatch.setattr("penstock.consumer.hooks.LONGEST_SECONDS", 0.1)
    calls = calls_of(lambda _: release.wait(10))
    for _ in range(2):
        calls.dead_letters(TEN)
        calls.run(60)
    assert told(caplog) == [("hooks_skipped", "hooks: no time for 10 of the calls")] * 2
    assert [thread.name for thread in threading.enumerate()].count("penstock-hooks") == 1


def test_hooks_work_again_after_one_that_hung(release: threading.Event, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once it returns, the calls that it was too late for are not made up for, and new ones are made."""
    monkeypatch.setattr("penstock.consumer.hooks.LONGEST_SECONDS", 0.1)
    seen: list[DeadLetter] = []

    def slow(letter: DeadLetter) -> None:
        release.wait(10)
        seen.append(letter)

    calls = calls_of(slow)
    calls.dead_letters(TEN)
    calls.run(60)
    release.set()
    for thread in threading.enumerate():
        if thread.name == "penstock-hooks":
            thread.join(10)
    assert len(seen) == 1
    calls.dead_letters(TEN)
    calls.run(60)
    assert len(seen) == 11


def test_the_last_second_belongs_to_the_response(caplog: pytest.LogCaptureFixture) -> None:
    """Without time no hook is called, and the log says so."""
    calls = calls_of(lambda _: pytest.fail("called"))
    calls.dead_letters([LETTER])
    calls.run(0.9)
    assert told(caplog) == [("hooks_skipped", "hooks: no time for 1 of the calls")]
    calls.run(60)
    assert len(caplog.records) == 1


def test_hooks_that_cannot_be_imported_are_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """A module of the service's that raises keeps nothing from going on."""

    def hooks() -> Hooks:
        raise ImportError("hunter2")

    calls = HookCalls(hooks)
    calls.run(60)
    assert told(caplog) == []
    calls.dead_letters(TEN)
    calls.run(60)
    (failed,) = told(caplog)
    assert failed[0] == "hook_failed"
    assert "hunter2" not in caplog.text


def test_a_drain_for_a_test_tells_nobody(engine: Engine) -> None:
    """`using` leaves the hooks behind."""
    bench = Told(engine)
    other = bench.drain.using(engine=engine, queue=bench.queue, dead_letters=bench.dead_letters)
    other.handler(sqs_event(["nonsense"]), LambdaContext())
    assert (len(bench.letters), bench.told) == (1, [])
