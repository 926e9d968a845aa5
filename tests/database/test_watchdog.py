"""The watchdog: one thread for many transactions."""

import threading
import time

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from penstock.database import watchdog
from penstock.database.watchdog import Watchdog
from penstock.local.processes import wait_until


def _threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "penstock-watchdog"]


@pytest.fixture(autouse=True)
def _idle(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let idle threads end soon, and wait for the threads of earlier tests."""
    monkeypatch.setattr(watchdog, "_MAX_IDLE_POLLS", 1)
    assert wait_until(lambda: not _threads(), 5)


def test_a_transaction_that_takes_too_long_is_cut_off(engine: Engine) -> None:
    """The limit holds, and the next transaction succeeds."""
    watched = Watchdog(engine)
    begun = time.monotonic()
    with pytest.raises(OperationalError), watched.transaction(0.3) as connection:
        connection.execute(text("SELECT pg_sleep(20)"))
    assert time.monotonic() - begun < 5
    with watched.transaction(5) as connection:
        assert connection.scalar(text("SELECT 1")) == 1


def test_the_thread_ends_when_there_is_nothing_to_watch(engine: Engine) -> None:
    """No thread is left, and the next transaction is watched again."""
    watched = Watchdog(engine)
    for _ in range(2):
        before = len(_threads())
        with watched.transaction(5) as connection:
            connection.execute(text("SELECT 1"))
            assert len(_threads()) == before + 1
        assert wait_until(lambda count=before: len(_threads()) <= count, 5)  # type: ignore[misc]


def test_a_thread_that_has_died_is_replaced(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the thread has ended for any reason, the next transaction starts another."""
    watched = Watchdog(engine)
    monkeypatch.setattr(watched, "_poll", lambda: None)
    with watched.transaction(5) as connection:
        connection.execute(text("SELECT 1"))
    assert wait_until(lambda: not _threads(), 5)
    monkeypatch.undo()
    monkeypatch.setattr(watchdog, "_MAX_IDLE_POLLS", 1)
    with pytest.raises(OperationalError), watched.transaction(0.3) as connection:
        connection.execute(text("SELECT pg_sleep(20)"))
