"""Fixtures of the tests of the commands about dead letters."""

import pytest
from sqlalchemy import Engine

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
