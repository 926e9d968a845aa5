"""The connection is cut at every statement of a batch of all write modes, COMMIT included."""

from uuid import UUID

import pytest
from sqlalchemy import Engine

from penstock.testing import sqs_event
from tests.support.consumers import TABLES, deliver, deliver_all, every_mode, tables
from tests.support.cuts import BATCHES, COMMIT, POISON, STALE, Cut, begin_again
from tests.support.lengths import stepped
from tests.support.modes import outcomes


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", stepped(4))
def test_a_connection_cut_at_any_statement_loses_and_repeats_nothing(
    engine: Engine, moment: str, batch: str, step: int
) -> None:
    """At whichever statement the connection is cut, a redelivered intent takes effect once, in every mode."""
    drain, dead = every_mode(engine)
    cut = Cut(engine)
    records = sqs_event(BATCHES[batch])["Records"]
    poisoned = {intent.intent_id for intent in POISON if intent in BATCHES[batch]}

    begin_again(engine, drain, cut, None, moment)
    assert deliver(drain, records) == []
    statements = list(cut.statements)
    left, settled = tables(engine), outcomes(engine)
    # The batch has all the cases that it should have, and every statement is counted.
    assert {id_ for id_, outcome in settled.items() if outcome == "dead"} == poisoned
    assert [settled[intent.intent_id] for intent in STALE] == ["stale"] * len(STALE)
    assert all(any(table.name in statement for statement in statements) for table in TABLES)
    assert statements[-1] == "COMMIT"
    for number in [*range(len(moment + batch) % step, len(statements) - 1, step), COMMIT]:
        begin_again(engine, drain, cut, number, moment)
        letters = len(dead.messages)
        where = f"cut {moment} {number}: {statements[number]}"
        deliver_all(drain, records)
        # The number of statements that are sent before the answer to a bad one arrives varies.
        assert cut.done or len(cut.statements) <= number, where
        cut.count_to(None, "")
        # Once everything is acknowledged it is in the tables, before it is delivered again.
        assert {UUID(letter["id"]) for letter in dead.bodies[letters:]} == poisoned, where
        assert (tables(engine), outcomes(engine)) == (left, settled), where
        assert deliver(drain, records) == []
        assert (tables(engine), outcomes(engine)) == (left, settled), where
        assert {UUID(letter["id"]) for letter in dead.bodies[letters:]} == poisoned, where
