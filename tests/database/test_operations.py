"""Records of operations: inserted before an operation begins, and updated when it ends."""

import logging
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Engine, select, text
from sqlalchemy.exc import SQLAlchemyError

from penstock.database import make_engine
from penstock.database.ledger import mark_purged
from penstock.database.operations import Operation, operation, recorded
from tests.support.ledgers import Ledger

AWAY = "postgresql://u:hunter2@127.0.0.1:1/x"
SELECTION = {"where": "data.email == 'someone@example.org'"}


def record_of(engine: Engine, one: Operation) -> Any:
    """Read a record."""
    with engine.connect() as connection:
        return connection.execute(select(operation).where(operation.c.id == one.id)).one()


def end(one: Operation, error: BaseException | None) -> None:
    """End an operation in the middle."""
    one.counts = {"deleted": 3}
    if error:
        raise error


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (None, "done"),
        (ValueError("x"), "failed"),
        (KeyboardInterrupt(), "interrupted"),
        (SystemExit(1), "interrupted"),
    ],
)
def test_an_end_is_recorded(engine: Engine, error: BaseException | None, outcome: str) -> None:
    """The record says done, failed or interrupted, with the counts so far; an exception is raised again."""
    ended: list[BaseException | None] = [None]
    try:
        with recorded(engine, "purge", "alice", SELECTION) as one:
            begun = record_of(engine, one)
            end(one, error)
    except BaseException as raised:  # noqa: BLE001
        ended = [raised]
    assert ended == [error]
    assert (begun.action, begun.actor, begun.selection) == ("purge", "alice", SELECTION)
    assert (begun.ended_at, begun.outcome, begun.counts) == (None, None, None)
    done = record_of(engine, one)
    assert (done.outcome, done.counts) == (outcome, {"deleted": 3})
    assert done.ended_at >= done.begun_at


def test_an_outcome_may_be_chosen(engine: Engine) -> None:
    """The caller can set an operation to failed although nothing is raised."""
    with recorded(engine, "replay", "alice", {}) as one:
        one.outcome = "failed"
    assert record_of(engine, one).outcome == "failed"


def test_nothing_is_done_without_a_record() -> None:
    """If the record cannot be inserted, the operation does not begin."""
    begun = False
    with pytest.raises(SQLAlchemyError), recorded(make_engine(AWAY), "purge", "alice", {}):
        begun = True
    assert not begun


def test_an_unrecorded_end_is_a_warning(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """If the database goes away meanwhile, nothing is raised; a warning says that the end is not recorded."""
    with recorded(engine, "purge", "alice", {}) as one, engine.begin() as connection:
        connection.execute(text("ALTER TABLE penstock.operation RENAME TO operation_away"))
    (warning,) = [entry for entry in caplog.records if entry.levelno == logging.WARNING]
    assert str(one.id) in warning.getMessage()
    assert warning.__dict__["action"] == "operation_unrecorded"


@pytest.mark.parametrize("with_database", [True, False])
def test_the_log_has_no_selection(
    engine: Engine, caplog: pytest.LogCaptureFixture, *, with_database: bool
) -> None:
    """The log has the actor and the result, but not the selection, which may quote an intent's values."""
    with (
        caplog.at_level(logging.DEBUG),
        recorded(engine if with_database else None, "purge", "alice", SELECTION) as one,
    ):
        one.counts = {"deleted": 3}
    (entry,) = [entry for entry in caplog.records if entry.name.startswith("penstock")]
    assert entry.__dict__["action"] == "dead_letters_purge"
    assert (entry.__dict__["actor"], entry.__dict__["counts"]) == ("alice", {"deleted": 3})
    assert "example.org" not in str([vars(entry) for entry in caplog.records])


# Marks in the ledger


def faults(engine: Engine, generation: str) -> dict[UUID, Any]:
    """Read the faults of a generation of the ledger."""
    with engine.connect() as connection:
        rows = connection.execute(text(f"SELECT id, fault FROM penstock.{generation}"))
        return {row.id: row.fault for row in rows}


def test_purged_intents_are_marked(engine: Engine) -> None:
    """Dead intents in either generation keep their fault and name the operation; others are unchanged."""
    ledger, one = Ledger(engine), uuid4()
    dead = [ledger.enter("dead"), ledger.enter("dead", generation="ledger_past")]
    others = [ledger.enter("dead"), ledger.enter("pending"), ledger.enter("applied")]
    before = faults(engine, "ledger")
    mark_purged(engine, [*dead, *others[1:], uuid4()], one)
    for generation, id_ in zip(("ledger", "ledger_past"), dead, strict=True):
        marked = faults(engine, generation)[id_]
        assert marked == before[dead[0]] | {"purged": str(one)}
    assert {id_: faults(engine, "ledger")[id_] for id_ in others} == {id_: before[id_] for id_ in others}


def test_marking_twice_marks_once(engine: Engine) -> None:
    """If a copy is purged later, the later operation is named."""
    ledger, operations = Ledger(engine), [uuid4(), uuid4()]
    id_ = ledger.enter("dead")
    for one in operations:
        mark_purged(engine, [id_, id_], one)
    assert faults(engine, "ledger")[id_]["purged"] == str(operations[1])


def test_no_ids_mark_nothing(engine: Engine) -> None:
    """Without an id nothing is marked."""
    id_ = Ledger(engine).enter("dead")
    mark_purged(engine, [], uuid4())
    assert "purged" not in faults(engine, "ledger")[id_]
