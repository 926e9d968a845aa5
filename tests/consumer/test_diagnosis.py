"""What the log of a drain says of an error that nobody expected: kind and frames, and no value."""

import logging
from collections.abc import Sequence
from typing import Any, Self

import pytest
from pydantic import model_validator
from sqlalchemy import Connection, Engine

from penstock import WriteIntent
from penstock.consumer import Custom, Drain
from penstock.consumer import drain as drain_module
from penstock.settings import SettingsError
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.drain import ThingMade

SECRET = "hunter2"


class Strange(WriteIntent, kind="strange"):
    name: str

    @model_validator(mode="after")
    def look(self) -> Self:
        if self.name == SECRET:
            raise RuntimeError(self.name)
        return self


class BrokenQueue(MemoryQueue):
    def send(self, messages: Sequence[Any], *, timeout_seconds: float | None = None) -> Any:  # noqa: ARG002
        raise OSError(messages[0].body)


def write_strangely(_connection: Connection, intents: Sequence[Any]) -> None:
    raise KeyError(intents[0].name)


def select_what_is_missing(connection: Connection, _intents: Sequence[Any]) -> None:
    connection.exec_driver_sql("SELECT missing")


@pytest.fixture
def drain(engine: Engine) -> Drain:
    """A drain whose function raises, and whose dead-letter queue does."""
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Strange, Custom(write_strangely))
    return drain


def invoke(drain: Drain, *messages: WriteIntent | str) -> None:
    drain.handler(sqs_event(messages), LambdaContext())


def line(caplog: pytest.LogCaptureFixture, action: str) -> dict[str, Any]:
    """Return the one log record of an action, after a look at all others."""
    assert not [r for r in caplog.records if SECRET in r.getMessage() + str(vars(r))]
    (found,) = [vars(record) for record in caplog.records if getattr(record, "action", "") == action]
    return found


def at(function: Any, line: int) -> str:
    return f"{__name__}:{function.__code__.co_firstlineno + line} {function.__qualname__}"


def body(name: str) -> str:
    """Return the envelope of an intent that only a sender without the validator would make."""
    text: str = sqs_event([Strange(name="x")])["Records"][0]["body"]
    return text.replace('"x"', f'"{name}"')


def test_a_function_that_raises_is_named_by_frame_and_kind(drain: Drain, caplog: pytest.LogCaptureFixture) -> None:
    """The log of what is handed back leads to the line of the service's function."""
    invoke(drain, Strange(name="x"))
    found = line(caplog, "handed_back")
    assert (found["levelno"], found["kinds"], found["records"]) == (logging.ERROR, ["strange"], 1)
    assert found["frames"][-1] == at(write_strangely, 1)


def test_a_validator_that_raises_is_named_by_frame(drain: Drain, caplog: pytest.LogCaptureFixture) -> None:
    """The log of the dead letter leads to the line of the service's validator."""
    invoke(drain, body(SECRET))
    assert line(caplog, "dead_letter")["frames"][-1] == at(Strange.look, 3)


def test_a_known_fault_has_no_frames(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """A fault that Postgres found is named by its code: frames would be the framework's own."""
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(ThingMade, Custom(select_what_is_missing))
    invoke(drain, ThingMade(name="a"))
    assert "frames" not in line(caplog, "handed_back")


def test_a_queue_that_raises_after_the_commit_is_named(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """An error of the dead-letter queue's client is logged with its frames, and nothing raises."""
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=BrokenQueue())
    drain.write(Strange, Custom(write_strangely))
    invoke(drain, body(SECRET))
    assert line(caplog, "dead_letters_failed")["frames"][-1] == at(BrokenQueue.send, 1)


def test_an_error_before_the_commit_is_named_and_raised(
    drain: Drain, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error in the framework itself is logged with its frames and the kinds, and the batch comes back."""

    def broken(_begin: Any, _batch: Any, decoder: Any, _writes: Any, **_options: Any) -> None:
        assert decoder.has_envelopes()
        raise RuntimeError(SECRET)

    monkeypatch.setattr(drain_module, "write_batch", broken)
    with pytest.raises(RuntimeError):
        invoke(drain, Strange(name="x"))
    found = line(caplog, "drain_failed")
    assert (found["kinds"], found["frames"][-1]) == (["strange"], at(broken, 2))
    assert found["message"] == f"the drain failed: RuntimeError at {at(broken, 2)}"


def test_a_missing_setting_of_the_drain_is_named(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The error names the variable, its meaning, and the function whose environment lacks it."""
    monkeypatch.setenv("AWS_LAMBDA_FUNCTION_NAME", "shop-dev-drain")
    drain = Drain(queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Strange, Custom(write_strangely))
    with pytest.raises(SettingsError) as raised:
        invoke(drain, Strange(name="x"))
    assert str(raised.value) == (
        "PENSTOCK_DATABASE_URL is not set (the postgresql:// URL of the database, or the ARN of a secret that"
        " names it). Set it in the environment of the function shop-dev-drain: `environment` in serverless.yml"
    )
    assert line(caplog, "drain_failed")["kinds"] == []
