"""Fixtures of the tests of the command line."""

from typing import Any

import pytest
from sqlalchemy import Engine

from penstock.cli.commands import breaker
from penstock.cli.status import snapshot
from penstock.consumer.breaker.event_source import EventSourceMapping
from tests.support.cli_stack import Stack
from tests.support.lambdas import ARN, MAPPING, LambdaStub
from tests.support.ledgers import Ledger


@pytest.fixture
def stack(shop: Stack) -> Stack:
    """The deployed queues, instead of the whole service."""
    return shop


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    """The ledger of the stack's database."""
    return Ledger(engine)


@pytest.fixture
def stub(monkeypatch: pytest.MonkeyPatch) -> LambdaStub:
    """A Lambda in memory instead of the stack's."""
    stub = LambdaStub()
    client: Any = stub
    for module in (breaker, snapshot):
        monkeypatch.setattr(module, "mapping_of", lambda _: EventSourceMapping(client, MAPPING, ARN))
    return stub
