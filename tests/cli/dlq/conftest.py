"""Fixtures of the tests of the commands about dead letters."""

import os
import signal
from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine

from penstock.queue import SqsQueue
from tests.support.cli_stack import Stack
from tests.support.ledgers import Ledger
from tests.support.project import ROOT


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    """The ledger of the shop."""
    return Ledger(engine)


@pytest.fixture
def service(shop: Stack, monkeypatch: pytest.MonkeyPatch) -> Stack:
    """The shop, with its modules on the import path."""
    monkeypatch.syspath_prepend(str(ROOT))
    return shop


@pytest.fixture(params=[signal.SIGTERM])
def signal_in_a_run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """Send this process a signal at the second receive of a run."""
    receive = SqsQueue.receive
    calls: Iterator[int] = iter(range(1000))

    def second(queue: SqsQueue, *words: Any, **options: Any) -> Any:
        if "wait_seconds" in options and next(calls) == 1:
            os.kill(os.getpid(), request.param)
        return receive(queue, *words, **options)

    monkeypatch.setattr(SqsQueue, "receive", second)
    return int(request.param)
