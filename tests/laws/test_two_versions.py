"""Law 9 across deployments and rollbacks: two versions of the drain on one queue, while intents are emitted."""

import pytest
from sqlalchemy import Engine

from penstock import WriteIntent
from tests.support.two_versions import Careless, TwoVersions, new_intent, old_intent

CANARY = 0.1


@pytest.fixture
def service(engine: Engine) -> TwoVersions:
    return TwoVersions(engine)


def drained(service: TwoVersions, share: float) -> None:
    """Drain what is left, and check that each intent took effect once."""
    service.run(20, None, share)
    assert service.account() == {"applied": len(service.emitted)}
    assert service.rows() == len(service.emitted)


def test_consumer_first_loses_nothing(service: TwoVersions) -> None:
    """The new drain shifts in, new producers follow; back in the opposite order. No intent dies on the way."""
    service.run(1, old_intent, 0)
    service.run(10, old_intent, CANARY)
    service.run(2, new_intent, 1)
    service.account()
    service.run(2, old_intent, 1)
    # The queue has nothing of the new version any more when the drain goes back.
    service.run(1, old_intent, 0)
    assert service.reasons == {}
    drained(service, 0)


def test_producer_first_waits_and_loses_nothing(service: TwoVersions) -> None:
    """What the old drain does not know waits for a quarter of an hour; a shift of ten minutes is over by then."""
    service.run(2, new_intent, 0)
    assert service.account() == {"pending": len(service.emitted)}
    service.run(10, new_intent, CANARY)
    service.run(2, new_intent, 1)
    assert service.reasons == {}
    drained(service, 1)


def test_a_rollback_under_load_loses_nothing(service: TwoVersions) -> None:
    """A drain that goes back alone dead-letters what it does not know, and a replay gives that to the next one."""
    service.run(1, old_intent, 0)
    service.run(5, new_intent, CANARY)
    service.run(1, new_intent, 0)
    service.run(25, None, 0)
    service.run(1, new_intent, 0)
    assert service.reasons.keys() == {"unknown-kind", "unknown-version"}
    found = service.account()
    assert min(found["dead"], found["pending"]) > 0
    assert found["applied"] + found["dead"] + found["pending"] == len(service.emitted)
    service.run(1, new_intent, 1)
    service.replay()
    drained(service, 1)
    assert service.dead_letters.messages == []


def test_a_field_without_a_version_dies_at_once_and_comes_back(service: TwoVersions) -> None:
    """The old drain cannot tell a new field from a mistake: it dead-letters it, and a replay brings it back."""

    def careless() -> WriteIntent:
        return Careless(name="d", unit="bar")

    service.run(1, careless, 0)
    assert service.reasons == {"invalid-data": len(service.emitted)}
    assert service.account() == {"dead": len(service.emitted)}
    service.new = service.version(Careless)
    service.replay()
    drained(service, 1)
