"""The retention of tombstones, on a real Postgres."""

from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from sqlalchemy import event, text

from penstock.database import retention
from tests.support.retention import MONTH, Bench, PageRemoved, PageWritten, insert_tombstones


def page(day: int) -> PageWritten:
    return PageWritten(path="/a", body=f"of day {day}", written_at=datetime(2026, 11, day, tzinfo=UTC))


def removal(day: int) -> PageRemoved:
    return PageRemoved(path="/a", written_at=datetime(2026, 11, day, tzinfo=UTC))


def test_a_tombstone_lasts_as_long_as_an_older_write_may_come(bench: Bench) -> None:
    """Until then a deleted row does not come back; after that the tombstone is deleted."""
    bench(page(1), removal(3))
    assert bench.prune(days=MONTH - 1).tombstones == 0
    bench(page(2))
    assert bench.value("SELECT count(*) FROM pages") == 0
    assert bench.prune(days=1).tombstones == 1
    assert bench.value("SELECT count(*) FROM penstock.tombstone") == 0


def test_a_later_deletion_renews_the_tombstone(bench: Bench) -> None:
    """A row that is deleted again has a tombstone of the later time."""
    bench(removal(3))
    assert bench.prune(days=MONTH - 1).tombstones == 0
    bench(removal(5))
    assert bench.prune(days=MONTH - 1).tombstones == 0
    bench(page(4))
    assert bench.value("SELECT count(*) FROM pages") == 0


def test_many_tombstones_are_deleted_in_batches(bench: Bench) -> None:
    """More tombstones than one batch are deleted in one run, each batch in its own transaction."""
    insert_tombstones(bench, 12_000, MONTH + 1)
    insert_tombstones(bench, 100, MONTH - 1)
    commits: list[Any] = []
    event.listen(bench.engine, "commit", commits.append)
    assert bench.prune().tombstones == 12_000
    assert len(commits) == 1 + 3
    assert bench.value("SELECT count(*) FROM penstock.tombstone") == 100


def test_tombstones_are_found_by_their_age(bench: Bench) -> None:
    """Old tombstones are found by an index, without reading younger ones."""
    insert_tombstones(bench, 50_000, 1)
    insert_tombstones(bench, 10, MONTH + 1)
    bench.run("ANALYZE penstock.tombstone")
    with bench.engine.connect() as connection:
        plan = connection.scalars(
            text(f"EXPLAIN {retention._DELETE_TOMBSTONES.text}"), {"days": MONTH, "batch": retention._BATCH}
        ).all()
    assert any("tombstone_buried_at" in line for line in plan), plan
    assert not any("Seq Scan" in line for line in plan), plan


def test_pruning_keeps_its_time_limit(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tombstones for which there is no time are left to the next run."""
    monkeypatch.setattr(retention, "_BATCH", 1)
    insert_tombstones(bench, 20_000, MONTH + 1)
    first = bench.prune(seconds=1)
    assert 0 < first.tombstones < 20_000
    assert first.seconds < 1
    monkeypatch.undo()
    assert bench.prune().tombstones == 20_000 - first.tombstones


@pytest.mark.parametrize("renewed", [True, False])
def test_a_tombstone_that_is_being_renewed_is_left_alone(bench: Bench, database_url: str, renewed: bool) -> None:
    """A tombstone that a deletion has locked is skipped; the next run deletes it if the deletion rolled back."""
    insert_tombstones(bench, 2, MONTH + 1)
    with psycopg.connect(database_url) as deletion:
        deletion.execute("UPDATE penstock.tombstone SET version = '2', buried_at = now() WHERE key->>1 = '1'")
        assert bench.prune().tombstones == 1
        if not renewed:
            deletion.rollback()
    assert bench.prune().tombstones == (0 if renewed else 1)
