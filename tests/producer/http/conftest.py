"""The service's functions with a queue in memory."""

import importlib
from typing import Any

import pytest

from penstock.producer import Producer, emitter
from penstock.settings import Settings
from penstock.testing import MemoryQueue
from tests.support.http import Limit


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> MemoryQueue:
    """The queue in memory that the handlers emit to."""
    queue = MemoryQueue()
    producer = Producer(Settings(receipt_key="key", source="/shop"), queue)
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    return queue


@pytest.fixture
def limit(monkeypatch: pytest.MonkeyPatch) -> Limit:
    """Gives one function other settings."""

    def limit(function: str, **limits: Any) -> None:
        api = importlib.import_module(f"producer.{function}").api
        monkeypatch.setitem(vars(api), "_settings", Settings(**limits))

    return limit
