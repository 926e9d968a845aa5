"""Deleting dead letters for good: each is on the queue or in the backup, whatever happens on the way."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from penstock.deadletters import LEASE_LOST, Selector
from penstock.deadletters.archive.file import Archive, ArchiveError, read_archive
from penstock.deadletters.archive.purge import Purged, purge
from penstock.deadletters.message import DeadLetterMessage
from tests.support.dead_letters import AGES, Cut, Meddled, Perils, Stage, id_of, ids_on, letter, plans


def saved(path: Path) -> set[str]:
    """Return the ids of the intents in a backup."""
    found: Iterator[str] = (json.loads(message.body)["id"] for _, message in read_archive(path) if message)
    return set(found)


def test_a_purge_deletes_the_selected(tmp_path: Path) -> None:
    """They are gone and in the backup; the others are visible again at once, and the absent are named."""
    stage = Stage(*(letter(number) for number in range(25)))
    gone: list[DeadLetterMessage] = []
    with Archive(tmp_path / "x") as archive:
        selector = Selector.of(ids=[id_of(3), id_of(20), "nobody"])
        done = purge(stage.dead, selector, archive, on_deleted=gone.extend, clock=stage.clock)
    assert done == Purged(25, 2, {}, frozenset({"nobody"}))
    assert saved(tmp_path / "x") == {one.id for one in gone} == {id_of(3), id_of(20)}
    assert stage.dead.depth().visible == 23


def test_a_purge_is_bounded() -> None:
    """No more than the limit are deleted, of all and of the selected."""
    stage = Stage(*(letter(number) for number in range(300)))
    assert purge(stage.dead, Selector.all(), None, limit=7, clock=stage.clock).deleted == 7
    assert (
        purge(stage.dead, Selector.of(kinds=["stock.adjusted"]), None, limit=200, clock=stage.clock).deleted == 200
    )
    assert purge(stage.dead, Selector.all(), None, limit=0, clock=stage.clock).deleted == 0
    assert stage.dead.depth().visible == 93


def test_what_cannot_be_written_is_not_deleted(tmp_path: Path) -> None:
    """A backup that fails ends the purge before the messages of its page are touched."""
    stage = Stage(*(letter(number) for number in range(300)))

    class Failing(Archive):
        def write(self, messages: object) -> None:  # noqa: ARG002
            raise ArchiveError("the disk is full")

    with pytest.raises(ArchiveError), Failing(tmp_path / "x") as archive:
        purge(stage.dead, Selector.all(), archive, clock=stage.clock)
    assert stage.dead.depth().visible == 300


def test_a_lease_that_ran_out_deletes_nothing(tmp_path: Path) -> None:
    """A message that may be another receiver's by now is kept, and that is told."""
    stage = Stage(letter(1))

    class Slow(Archive):
        def write(self, messages: object) -> None:
            super().write(messages)  # type: ignore[arg-type]
            stage.clock.advance(AGES)

    with Slow(tmp_path / "x") as archive:
        done = purge(stage.dead, Selector.of(ids=[id_of(1)]), archive, clock=stage.clock)
    assert (done.deleted, done.kept) == (0, {LEASE_LOST: 1})
    assert len(stage.dead.messages) == 1


def test_a_refused_delete_is_kept_and_told() -> None:
    """SQS's word says why, and the others are deleted."""
    stage = Stage(letter(1), letter(2))
    stage.dead.refuse("InternalError", call="delete", positions={0})
    done = purge(stage.dead, Selector.all(), None, clock=stage.clock)
    assert (done.deleted, done.kept) == (1, {"InternalError": 1})
    assert ids_on(stage.dead) == {id_of(1)}


def test_what_expires_meanwhile_counts_as_deleted(tmp_path: Path) -> None:
    """A message that SQS lets go between look and delete is gone, and it is in the backup."""
    stage = Stage(letter(1))

    def expire(call: str) -> None:
        if call == "delete":
            stage.dead._stored.clear()

    with Archive(tmp_path / "x") as archive:
        done = purge(Meddled(stage.dead, expire), Selector.all(), archive, clock=stage.clock)
    assert (done.deleted, saved(tmp_path / "x")) == (1, {id_of(1)})


def test_a_page_without_a_selected_one_asks_nothing_of_the_backup(tmp_path: Path) -> None:
    """Where nothing is meant nothing is written, deleted or told."""
    stage = Stage(letter(1))
    with Archive(tmp_path / "x") as archive:
        told: list[list[DeadLetterMessage]] = []
        purge(stage.dead, Selector.of(kinds=["other"]), archive, on_deleted=told.append, clock=stage.clock)
    assert (told, (tmp_path / "x").read_bytes()) == ([], b"")


@settings(max_examples=200)
@given(
    count=st.integers(1, 24),
    plan=plans(),
    chosen=st.none() | st.sets(st.integers(0, 23), min_size=1),
    packed=st.booleans(),
)
def test_no_purged_letter_is_ever_lost(count: int, plan: list[str], chosen: set[int] | None, packed: bool) -> None:
    """Refused, late, stolen or cut off at any call: each is on the queue or in the backup."""
    stage = Stage(*(letter(number) for number in range(count)))
    everyone = {id_of(number) for number in range(count)}
    selector = Selector.all() if chosen is None else Selector.of(ids=(id_of(number) for number in chosen))
    meant = everyone if chosen is None else everyone & selector.ids
    with TemporaryDirectory() as folder:
        first, second = (Path(folder) / f"{name}.jsonl{'.gz' * packed}" for name in ("first", "second"))
        archive = Archive(first)
        with suppress(Cut), archive:
            purge(Perils(stage, plan).meddle(stage.dead), selector, archive, clock=stage.clock)
        backup = saved(first if first.exists() else archive.draft)
        assert ids_on(stage.dead) | backup == everyone
        assert backup <= meant
        stage.clock.advance(AGES)
        stage.dead.accept()
        with Archive(second) as archive:
            purge(stage.dead, selector, archive, clock=stage.clock)
        assert ids_on(stage.dead) == everyone - meant
        assert backup | saved(second) == meant
