"""The canary: the outcomes of replayed intents in the ledger, and only of their replay."""

from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.database import make_engine
from penstock.deadletters.replay.canary import Canary, all_took_effect
from tests.support.ledgers import Ledger

AWAY = "postgresql://u@127.0.0.1:1/x"


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    """A ledger."""
    return Ledger(engine)


def test_what_was_settled_before_says_nothing(ledger: Ledger) -> None:
    """A dead letter is dead in the ledger when it is replayed: that is pending, until it is settled anew."""
    ids = [ledger.enter("dead"), ledger.enter("pending"), uuid4()]
    canary = Canary(ledger.engine)
    assert canary.wait(ids, 0) == {"pending": 3}


@pytest.mark.parametrize("generation", ["ledger", "ledger_past"])
def test_what_is_settled_after_counts(ledger: Ledger, generation: str) -> None:
    """Applied, stale and dead again are counted apart."""
    canary = Canary(ledger.engine)
    ids = [ledger.enter(outcome, ago=-1, generation=generation) for outcome in ("applied", "stale", "dead")]
    found = canary.wait(ids, 0)
    assert found == {"applied": 1, "stale": 1, "dead": 1}
    assert not all_took_effect(found)


def test_a_duplicate_took_effect(ledger: Ledger) -> None:
    """An intent that took effect before the replay counts as applied."""
    ids = [ledger.enter("applied")]
    found = Canary(ledger.engine).wait(ids, 0)
    assert (found, all_took_effect(found)) == ({"applied": 1}, True)


def test_a_reused_id_did_not_take_effect(ledger: Ledger) -> None:
    """An intent that was dead-lettered because another one with its id was applied is dead, not applied."""
    id_ = ledger.enter("applied")
    canary = Canary(ledger.engine)
    ledger.run("UPDATE penstock.ledger SET reused_at = clock_timestamp()")
    assert canary.wait([id_], 0) == {"dead": 1}
    assert Canary(ledger.engine).wait([id_], 0) == {"applied": 1}


def test_the_newer_generation_is_right(ledger: Ledger) -> None:
    """An intent that was dead in the ledger's past and has landed since is applied."""
    id_ = ledger.enter("dead", ago=-1, generation="ledger_past")
    canary = Canary(ledger.engine)
    ledger.enter("applied", id=id_)
    assert canary.wait([id_], 0) == {"applied": 1}


def test_it_waits_until_all_are_settled(ledger: Ledger) -> None:
    """The ledger is read again, and the wait ends as soon as none is pending."""
    ids = [UUID(int=1), UUID(int=2)]
    left = list(ids)
    found = Canary(ledger.engine, sleep=lambda _: ledger.enter("applied", id=left.pop())).wait(ids, 1000)
    assert (found, left) == ({"applied": 2}, [])


def test_it_waits_no_longer_than_it_may(ledger: Ledger) -> None:
    """An intent that is not settled in time is pending, and has not taken effect."""
    slept: list[float] = []
    found = Canary(ledger.engine, sleep=slept.append).wait([uuid4()], 0.05)
    assert (found, slept, all_took_effect(found)) == ({"pending": 1}, [], False)


def test_a_database_that_is_away_ends_it() -> None:
    """Nothing can be said without the ledger."""
    with pytest.raises(SQLAlchemyError):
        Canary(make_engine(AWAY))


def test_nothing_sent_is_no_failure(ledger: Ledger) -> None:
    """If there was nothing to send, the canary has not failed."""
    assert all_took_effect(Canary(ledger.engine).wait([], 10))
