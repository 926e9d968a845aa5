"""Random tables, random mixtures of modes, random intents: every binding that is accepted obeys law 3."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from penstock.consumer import BindingError
from tests.support.icu import icu_database
from tests.support.random_bindings import EMBEDDED, EVERYWHERE, Service, services

CAMPAIGN_SECONDS = int(os.environ.get("BINDINGS_SECONDS", "600"))
ORDERS = 3


def hold_to_law_3(engine: Engine, service: Service, seed: int) -> bool:
    """Drain a service's intents in several orders, and compare what is left; return whether it was accepted."""
    with suppress(BindingError):
        service.bind(engine)
    if not service.accepted:
        return False
    left = []
    for order in range(ORDERS):
        service.clean(engine)
        service.deliver(random.Random(seed + order))  # noqa: S311 (no secret)
        service.check_ledger(engine)
        left.append(service.rows(engine))
    # Where a constraint refuses one of two intents, the order decides which.
    assert None in left or all(one == left[0] for one in left), (service, left)
    return True


# A failing service is small enough to read, and to shrink it would take minutes.
@settings(
    suppress_health_check=[*HealthCheck], max_examples=30, phases=[Phase.explicit, Phase.reuse, Phase.generate]
)
@given(service=services(EMBEDDED), seed=st.integers(0, 2**32))
def test_what_is_accepted_commutes(engine: Engine, service: Service, seed: int) -> None:
    """Any permutation of intents, with duplicates, cut into any batches, leaves the same tables."""
    try:
        hold_to_law_3(engine, service, seed)
    finally:
        service.drop(engine)


@pytest.fixture(scope="module")
def icu() -> Iterator[Engine]:
    """A database with ICU collations and citext."""
    with icu_database() as engine:
        yield engine


@pytest.mark.campaign
@pytest.mark.timeout(CAMPAIGN_SECONDS + 300)
def test_what_is_accepted_commutes_on_every_server(engine: Engine, icu: Engine) -> None:
    """Ten minutes of random bindings, on the embedded server and on one with ICU collations and citext."""
    end = time.monotonic() + CAMPAIGN_SECONDS
    accepted = tried = 0

    @settings(
        max_examples=25,
        phases=[Phase.generate],
        database=None,
        suppress_health_check=[*HealthCheck],
    )
    @given(service=services(EVERYWHERE), seed=st.integers(0, 2**32), embedded=st.booleans())
    def one_round(service: Service, seed: int, embedded: bool) -> None:
        nonlocal accepted, tried
        server = engine if embedded and service.runs_embedded else icu
        tried += 1
        try:
            accepted += hold_to_law_3(server, service, seed)
        finally:
            service.drop(server)

    while time.monotonic() < end:
        one_round()
    print(f"\n{accepted} of {tried} random services were accepted, and commute")  # noqa: T201 (the report of the campaign)
    assert accepted
