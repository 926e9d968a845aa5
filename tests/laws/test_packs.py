"""Packs change nothing: what a batch leaves is what its intents leave if each is sent alone."""

import json
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select

from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.drain import Drain
from penstock.database import ledger
from penstock.queue import Outgoing
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.consumers import clean, deliver, deliver_all, every_mode, tables
from tests.support.cuts import BATCHES, BEFORE, COMMIT, FRESH, POISON, STALE, Cut, begin_again
from tests.support.drain import LaterKind
from tests.support.lengths import stepped
from tests.support.modes import Adjusted, outcomes
from tests.support.packs import batch, columns, single

MOST_ROUNDS = 3000
LATER = [LaterKind(x=x) for x in range(2)]
BROKEN = [
    json.dumps(json.loads(single(Adjusted(sku="c", delta=1))) | {"data": data}) for data in (None, {"sku": 1})
]
REUSED = [json.dumps(json.loads(single(FRESH[5])) | {"data": {"sku": "a", "delta": 77}})]
TEXTS = [*map(single, [*FRESH, *POISON, *STALE, *LATER]), *BROKEN, *REUSED]


@st.composite
def mixtures(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Draw some envelopes, and the same in messages of any form, in the same order."""
    texts = draw(st.lists(st.sampled_from(TEXTS), min_size=1, max_size=30))
    if draw(st.booleans()):
        # Long runs of one kind, as a producer writes them.
        texts.sort(key=lambda text: str(json.loads(text)["type"]))
    cuts = sorted(draw(st.sets(st.integers(1, len(texts)), max_size=10)) | {0, len(texts)})
    return texts, [message for start, end in pairwise(cuts) for message in draw(messages(texts[start:end]))]


@st.composite
def messages(draw: st.DrawFn, texts: Sequence[str]) -> list[str]:
    """Draw the form of some envelopes that follow each other."""
    forms = ["alone", "batch"] + ["pack"] * 3 * (len({json.loads(text)["type"] for text in texts}) == 1)
    form = draw(st.sampled_from(forms))
    return list(texts) if form == "alone" else [batch(texts) if form == "batch" else columns(texts)]


def left(engine: Engine, drain: Drain, dead: MemoryQueue, bodies: Sequence[str]) -> Any:
    """Drain one batch into empty tables; return all that it leaves."""
    clean(engine)
    assert deliver(drain, sqs_event(BEFORE)["Records"]) == []
    known = len(dead.messages)
    deliver(drain, sqs_event(bodies)["Records"])
    letters = [(DeadLetter.read(one.attributes), json.loads(one.body)) for one in dead.messages[known:]]
    with engine.connect() as connection:
        columns_ = (ledger.c.id, ledger.c.kind, ledger.c.outcome, ledger.c.stated_at, ledger.c.attempts)
        entries = Counter(map(tuple, connection.execute(select(*columns_))))
    found = Counter((one.reason, one.id, json.dumps(body, sort_keys=True)) for one, body in letters if one)
    return tables(engine), entries, found


@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mixture=mixtures())
def test_packs_leave_what_single_messages_leave(engine: Engine, mixture: tuple[list[str], list[str]]) -> None:
    """Any mixture of packs, batches and single messages leaves the same tables, ledger and dead letters."""
    alone, mixed = mixture
    drain, dead = every_mode(engine)
    assert left(engine, drain, dead, mixed) == left(engine, drain, dead, alone)


def drain_all(drain: Drain, queue: MemoryQueue, refusals: list[tuple[MemoryQueue, int]]) -> None:
    """Deliver what is on the queue whenever it is visible, until it is empty, with some refusals of sends."""
    rounds = 0
    while queue.messages:
        rounds += 1
        assert rounds < MOST_ROUNDS
        if leased := queue.receive(10, visibility_seconds=180):
            if refusals:
                refusing, position = refusals.pop()
                refusing.refuse(positions=[position])
            back = {
                f["itemIdentifier"] for f in drain.handler(sqs_event(leased), LambdaContext())["batchItemFailures"]
            }
            queue.delete([one.receipt_handle for one in leased if one.message_id not in back])
            queue.accept()
        queue.clock.advance(60)


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mixture=mixtures(), refusals=st.lists(st.tuples(st.booleans(), st.integers(0, 3)), max_size=4))
def test_every_intent_of_a_pack_is_settled(
    engine: Engine, mixture: tuple[list[str], list[str]], refusals: list[tuple[bool, int]]
) -> None:
    """However sends are refused, each intent is written once or dead with a letter of its own in the end."""
    texts, mixed = mixture
    bound, _ = every_mode(engine)
    clean(engine)
    queue, dead = MemoryQueue(), MemoryQueue()
    drain = bound.using(Settings(), engine=engine, queue=queue, dead_letters=dead)
    assert queue.send([Outgoing(text) for text in mixed]) == {}
    drain_all(drain, queue, [(dead if at_dead else queue, position) for at_dead, position in refusals])
    settled = outcomes(engine)
    assert {str(id_) for id_ in settled} == {json.loads(text)["id"] for text in texts}
    assert "pending" not in settled.values()
    letters = {UUID(body["id"]) for body in dead.bodies}
    # An id that was reused is dead for its second payload alone.
    assert {id_ for id_, outcome in settled.items() if outcome == "dead"} <= letters
    assert letters <= {UUID(json.loads(text)["id"]) for text in texts}


@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", stepped(4))
def test_a_pack_cut_at_any_statement_loses_and_repeats_nothing(engine: Engine, moment: str, step: int) -> None:
    """At whichever statement the connection is cut, each intent of a redelivered pack takes effect once."""
    drain, dead = every_mode(engine)
    cut = Cut(engine)
    texts = sorted(map(single, BATCHES["two bad"]), key=lambda text: str(json.loads(text)["type"]))
    kinds = dict.fromkeys(json.loads(text)["type"] for text in texts)
    records = sqs_event(columns([text for text in texts if f'"{kind}"' in text]) for kind in kinds)["Records"]
    poisoned = {intent.intent_id for intent in POISON}

    begin_again(engine, drain, cut, None, moment)
    assert deliver(drain, records) == []
    statements = list(cut.statements)
    expected = tables(engine), outcomes(engine)
    assert {id_ for id_, outcome in expected[1].items() if outcome == "dead"} == poisoned
    for number in [*range(len(moment) % step, len(statements) - 1, step), COMMIT]:
        begin_again(engine, drain, cut, number, moment)
        letters = len(dead.messages)
        where = f"cut {moment} {number}: {statements[number]}"
        deliver_all(drain, records)
        cut.count_to(None, "")
        for _ in range(2):
            assert (tables(engine), outcomes(engine)) == expected, where
            assert {UUID(letter["id"]) for letter in dead.bodies[letters:]} == poisoned, where
            assert deliver(drain, records) == []
