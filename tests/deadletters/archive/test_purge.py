"""The purge: each dead letter is on the queue or in the backup, whichever call fails."""

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
from tests.support.dead_letters import (
    AGES,
    FailurePlan,
    InterceptedQueue,
    QueuePair,
    RunKilled,
    id_of,
    ids_on,
    letter,
    plans,
)


def saved(path: Path) -> set[str]:
    """Return the ids of the intents in a backup."""
    found: Iterator[str] = (json.loads(message.body)["id"] for _, message in read_archive(path) if message)
    return set(found)


def test_a_purge_deletes_the_selected(tmp_path: Path) -> None:
    """They are deleted and in the backup; the others are visible again at once, and missing ids are returned."""
    queues = QueuePair(*(letter(number) for number in range(25)))
    gone: list[DeadLetterMessage] = []
    with Archive(tmp_path / "x") as archive:
        selector = Selector.of(ids=[id_of(3), id_of(20), "nobody"])
        done = purge(queues.dead, selector, archive, on_deleted=gone.extend, clock=queues.clock)
    assert done == Purged(25, 2, {}, frozenset({"nobody"}))
    assert saved(tmp_path / "x") == {one.id for one in gone} == {id_of(3), id_of(20)}
    assert queues.dead.depth().visible == 23


def test_a_purge_is_bounded() -> None:
    """No more than the limit are deleted, of all and of the selected."""
    queues = QueuePair(*(letter(number) for number in range(300)))
    assert purge(queues.dead, Selector.all(), None, limit=7, clock=queues.clock).deleted == 7
    assert (
        purge(queues.dead, Selector.of(kinds=["stock.adjusted"]), None, limit=200, clock=queues.clock).deleted
        == 200
    )
    assert purge(queues.dead, Selector.all(), None, limit=0, clock=queues.clock).deleted == 0
    assert queues.dead.depth().visible == 93


def test_what_cannot_be_written_is_not_deleted(tmp_path: Path) -> None:
    """A backup that fails ends the purge before the messages of its page are touched."""
    queues = QueuePair(*(letter(number) for number in range(300)))

    class Failing(Archive):
        def write(self, messages: object) -> None:  # noqa: ARG002
            raise ArchiveError("the disk is full")

    with pytest.raises(ArchiveError), Failing(tmp_path / "x") as archive:
        purge(queues.dead, Selector.all(), archive, clock=queues.clock)
    assert queues.dead.depth().visible == 300


def test_a_lease_that_ran_out_deletes_nothing(tmp_path: Path) -> None:
    """A message that another consumer may have by now is kept, and that is reported."""
    queues = QueuePair(letter(1))

    class Slow(Archive):
        def write(self, messages: object) -> None:
            super().write(messages)  # type: ignore[arg-type]
            queues.clock.advance(AGES)

    with Slow(tmp_path / "x") as archive:
        done = purge(queues.dead, Selector.of(ids=[id_of(1)]), archive, clock=queues.clock)
    assert (done.deleted, done.kept) == (0, {LEASE_LOST: 1})
    assert len(queues.dead.messages) == 1


def test_a_refused_delete_is_kept_and_reported() -> None:
    """SQS's code is in the result, and the others are deleted."""
    queues = QueuePair(letter(1), letter(2))
    queues.dead.refuse("InternalError", call="delete", positions={0})
    done = purge(queues.dead, Selector.all(), None, clock=queues.clock)
    assert (done.deleted, done.kept) == (1, {"InternalError": 1})
    assert ids_on(queues.dead) == {id_of(1)}


def test_what_expires_meanwhile_counts_as_deleted(tmp_path: Path) -> None:
    """A message that expires between receive and delete counts as deleted, and is in the backup."""
    queues = QueuePair(letter(1))

    def expire(call: str) -> None:
        if call == "delete":
            queues.dead._stored.clear()

    with Archive(tmp_path / "x") as archive:
        done = purge(InterceptedQueue(queues.dead, expire), Selector.all(), archive, clock=queues.clock)
    assert (done.deleted, saved(tmp_path / "x")) == (1, {id_of(1)})


def test_a_page_without_a_selected_one_writes_nothing(tmp_path: Path) -> None:
    """If nothing of a page is selected, nothing is written, deleted or reported."""
    queues = QueuePair(letter(1))
    with Archive(tmp_path / "x") as archive:
        reported: list[list[DeadLetterMessage]] = []
        purge(queues.dead, Selector.of(kinds=["other"]), archive, on_deleted=reported.append, clock=queues.clock)
    assert (reported, (tmp_path / "x").read_bytes()) == ([], b"")


@settings(max_examples=200)
@given(
    count=st.integers(1, 24),
    plan=plans(),
    chosen=st.none() | st.sets(st.integers(0, 23), min_size=1),
    packed=st.booleans(),
)
def test_no_purged_letter_is_ever_lost(count: int, plan: list[str], chosen: set[int] | None, packed: bool) -> None:
    """Refused, late, stolen or cut off at any call: each is on the queue or in the backup."""
    queues = QueuePair(*(letter(number) for number in range(count)))
    everyone = {id_of(number) for number in range(count)}
    selector = Selector.all() if chosen is None else Selector.of(ids=(id_of(number) for number in chosen))
    meant = everyone if chosen is None else everyone & selector.ids
    with TemporaryDirectory() as folder:
        first, second = (Path(folder) / f"{name}.jsonl{'.gz' * packed}" for name in ("first", "second"))
        archive = Archive(first)
        with suppress(RunKilled), archive:
            purge(FailurePlan(queues, plan).wrap(queues.dead), selector, archive, clock=queues.clock)
        backup = saved(first if first.exists() else archive.partial)
        assert ids_on(queues.dead) | backup == everyone
        assert backup <= meant
        queues.clock.advance(AGES)
        queues.dead.accept()
        with Archive(second) as archive:
            purge(queues.dead, selector, archive, clock=queues.clock)
        assert ids_on(queues.dead) == everyone - meant
        assert backup | saved(second) == meant
