"""A network that cuts, freezes, delays and refuses connections, between the drain and Postgres."""

from collections.abc import Iterator
from typing import Any

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError

from penstock.consumer.schema_check.check import check_schema
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.testing import LambdaContext, sqs_event
from penstock.testing.database import TemplateDatabase
from tests.support.consumers import clean, deliver, deliver_all, every_mode, tables
from tests.support.cuts import BATCHES, BEFORE, POISON
from tests.support.modes import outcomes
from tests.support.proxy import TcpProxy, proxied
from tests.support.servers import postgres_15


class Far:
    """A drain of every mode with a proxy before its database, and a batch of everything, twice."""

    def __init__(self, direct: Engine, through: Engine, proxy: TcpProxy) -> None:
        self.direct, self.through, self.proxy = direct, through, proxy
        self.drain, self.dead = every_mode(through)
        self.records = sqs_event(BATCHES["two bad"])["Records"]

    def begin(self) -> None:
        """Empty the tables and the ledger, and write what is there before the batch."""
        clean(self.direct)
        assert deliver(self.drain, sqs_event(BEFORE)["Records"]) == []

    def deliver(self, seconds: float = 60) -> int:
        """Deliver the batch in an invocation of so many seconds; return how many messages are handed back."""
        answer = self.drain.handler({"Records": self.records}, LambdaContext(seconds))
        return len(answer["batchItemFailures"])

    def state(self) -> tuple[Any, ...]:
        """Return all that the batch should leave, and the ids of the dead letters."""
        return tables(self.direct), outcomes(self.direct), {letter["id"] for letter in self.dead.bodies}


POISONED = {str(intent.intent_id) for intent in POISON}


@pytest.fixture(scope="module", params=["embedded", "15"])
def server_url(request: pytest.FixtureRequest, template_database: TemplateDatabase) -> Iterator[str]:
    """A database on the embedded Postgres, and one on Debian's PostgreSQL 15."""
    if request.param == "embedded":
        with template_database.clone() as url:
            yield url
    else:
        with postgres_15() as url:
            upgrade(url)
            yield url


@pytest.fixture
def far(server_url: str) -> Iterator[Far]:
    direct = make_engine(server_url)
    with proxied(server_url) as (url, proxy):
        through = make_engine(url, pre_ping=False)
        far = Far(direct, through, proxy)
        far.begin()
        yield far
        through.dispose()
    direct.dispose()


def test_an_answer_cut_off_at_any_byte_loses_and_repeats_nothing(far: Far) -> None:
    """Wherever the network cuts the server's answers, a redelivered intent takes effect once, in every mode."""
    begun = far.proxy.answered_bytes
    assert far.deliver() == 0
    count, expected = far.proxy.answered_bytes - begun, far.state()
    assert expected[2] == POISONED
    # The count varies a little. `test_cuts.py` loses the answer to COMMIT.
    for left in range(0, count * 3 // 4, count // 8):
        far.begin()
        far.proxy.cut_after(left)
        accepted = far.proxy.accepted
        deliver_all(far.drain, far.records)
        assert far.proxy.accepted > accepted, f"not cut after {left} bytes"
        assert far.state() == expected, f"cut after {left} bytes"


def test_an_idle_connection_that_the_network_dropped_costs_no_batch(far: Far) -> None:
    """A batch whose connection was reset while it was idle is written in the same invocation."""
    far.proxy.cut()
    assert far.deliver() == 0
    assert far.state()[2] == POISONED


def test_a_frozen_network_hands_the_batch_back_in_time(far: Far) -> None:
    """If nothing is answered any more, the batch goes back before its invocation ends, and lands later, once."""
    before = far.state()
    far.proxy.freeze()
    assert far.deliver(2) == len(far.records)
    assert far.state() == before
    far.proxy.thaw()
    assert far.deliver() == 0
    assert far.state()[2] == POISONED


def test_a_network_that_refuses_hands_the_batch_back(far: Far) -> None:
    """If the server cannot be reached, nothing is dead-lettered; once it can be, the batch lands."""
    far.proxy.refuse()
    far.proxy.cut()
    assert far.deliver(6) == len(far.records)
    assert far.dead.messages == []
    far.proxy.accept()
    assert far.deliver() == 0
    assert far.state()[2] == POISONED


def test_a_slow_network_only_takes_longer(far: Far) -> None:
    """A batch over a network of 2 ms a way lands; one whose answers come too late is handed back unwritten."""
    before = far.state()
    far.proxy.delay(1)
    assert far.deliver(2) == len(far.records)
    assert far.state() == before
    far.proxy.delay(0.002)
    assert far.deliver() == 0
    assert far.state()[2] == POISONED


def test_the_check_over_a_bad_network(far: Far) -> None:
    """Over a slow network the check finds the same; over one that falls silent or cuts it ends with an error."""
    expected = check_schema(far.direct, far.drain)
    far.proxy.delay(0.0005)
    assert check_schema(far.through, far.drain) == expected
    far.proxy.delay(0)
    far.proxy.freeze()
    with pytest.raises(OperationalError):
        check_schema(far.through, far.drain, seconds=0.5)
    far.proxy.thaw()
    far.proxy.cut_after(1000)
    with pytest.raises(OperationalError):
        check_schema(far.through, far.drain)
    assert check_schema(far.through, far.drain) == expected
