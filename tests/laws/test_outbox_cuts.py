"""There is an event about an outcome if and only if its transaction committed, wherever the connection is cut."""

import pytest
from sqlalchemy import Engine, text

from penstock.settings import Settings
from penstock.testing import MemoryQueue, sqs_event
from tests.support.consumers import clean, deliver, deliver_all, every_mode
from tests.support.cuts import BATCHES, BEFORE, COMMIT, Cut
from tests.support.events import waiting
from tests.support.lengths import stepped
from tests.support.modes import outcomes


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.parametrize("step", stepped(23))
def test_an_event_exists_if_and_only_if_its_transaction_committed(
    engine: Engine, moment: str, batch: str, step: int
) -> None:
    """The outbox has the outcomes of the ledger, at once and after everything was delivered again."""
    kinds, dead = every_mode(engine)
    drain = kinds.using(Settings(event_bus="bus"), engine=engine, queue=MemoryQueue(), dead_letters=dead)
    cut = Cut(engine)
    records = sqs_event(BATCHES[batch])["Records"]

    def prepare(number: int | None) -> None:
        clean(engine)
        with engine.begin() as connection:
            connection.execute(text("TRUNCATE penstock.outbox"))
        assert deliver(drain, sqs_event(BEFORE)["Records"]) == []
        cut.count_to(number, moment)

    def settled() -> set[tuple[object, str]]:
        return {entry for entry in outcomes(engine).items() if entry[1] != "pending"}

    prepare(None)
    assert deliver(drain, records) == []
    statements = list(cut.statements)
    assert {outcome for _, outcome in settled()} == {"applied", "stale"} | ({"dead"} if "bad" in batch else set())
    assert any("penstock.outbox" in statement for statement in statements)
    assert waiting(engine).keys() == settled()
    for number in [*range(0, len(statements) - 1, step), COMMIT]:
        prepare(number)
        where = f"cut {moment} {number}: {statements[number]}"
        deliver(drain, records)
        assert waiting(engine).keys() == settled(), where
        deliver_all(drain, records)
        cut.count_to(None, "")
        assert waiting(engine).keys() == settled(), where
        assert deliver(drain, records) == []
        # What is dead is tried again if it is delivered again. What has taken effect has one event.
        twice = {outcome for (_, outcome), count in waiting(engine).items() if count > 1}
        assert twice <= {"dead"}, where
