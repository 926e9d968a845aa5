"""An export and an import change nothing: each message is on the queue again with the same content."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.deadletters import Selector
from penstock.deadletters.archive.export import ImportFailure, export, import_letters
from penstock.deadletters.archive.file import Archive
from penstock.queue import Attribute, Outgoing, QueueError, Received
from penstock.testing.queue import MemoryQueue
from tests.support.archives import bodies, import_file
from tests.support.dead_letters import QueuePair, letter

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
# What SQS accepts (SQS: SendMessage).
TEXT = st.text(
    st.characters(exclude_categories=("Cs", "Cc"), exclude_characters="\ufffe\uffff", include_characters="\t\n\r"),
    min_size=1,
)
LABELS = st.sampled_from(["", ".label", ".float"])
ATTRIBUTES = st.dictionaries(
    st.from_regex("[A-Za-z][A-Za-z0-9_-]{0,9}", fullmatch=True),
    st.builds(lambda value, label: Attribute(value, f"String{label}"), TEXT, LABELS)
    | st.builds(lambda value, label: Attribute(str(value), f"Number{label}"), st.integers(), LABELS)
    | st.builds(lambda value, label: Attribute(value, f"Binary{label}"), st.binary(min_size=1), LABELS),
    max_size=10,
)
MESSAGES = st.builds(Outgoing, TEXT, ATTRIBUTES, st.from_regex("[!-~]{1,128}", fullmatch=True))


@SAME_FOLDER
@given(
    messages=st.lists(MESSAGES | MESSAGES.map(lambda m: Outgoing(m.body, m.attributes)), max_size=20),
    packed=st.booleans(),
)
def test_what_goes_out_comes_back(tmp_path: Path, messages: list[Outgoing], packed: bool) -> None:
    """Every message that SQS accepts is the same after an export and an import: body, attributes, group."""
    path = tmp_path / f"letters.jsonl{'.gz' * packed}"
    path.unlink(missing_ok=True)
    dead, again = MemoryQueue(), MemoryQueue()
    assert dead.send(messages) == {}
    with Archive(path) as archive:
        assert export(dead, archive, Selector.all()).written == len(messages)
    assert import_file(path, again) == []
    assert again.messages == messages
    assert dead.depth().visible == len(messages)


@SAME_FOLDER
@given(messages=st.lists(MESSAGES, max_size=20))
def test_fifo_messages_come_back_in_order(tmp_path: Path, messages: list[Outgoing]) -> None:
    """On a FIFO queue each is there again in its group, although it was sent a moment ago."""
    path = tmp_path / "letters.jsonl"
    path.unlink(missing_ok=True)
    with Archive(path) as archive:
        archive.write(
            Received(str(n), "", m.body, m.attributes, 1, 0.0, 0.0, m.group) for n, m in enumerate(messages)
        )
    queue = MemoryQueue(fifo=True)
    for _ in range(2):
        assert import_file(path, queue) == []
    assert [(m.body, m.attributes, m.group) for m in queue.messages] == 2 * [
        (m.body, m.attributes, m.group) for m in messages
    ]


def numbered(count: int) -> Iterator[tuple[int, Outgoing]]:
    """Return lines as they are read."""
    return ((number, Outgoing(str(number))) for number in range(1, count + 1))


def test_a_refused_line_is_named(tmp_path: Path) -> None:
    """By its number, with SQS's code; all others are put back."""
    queue = MemoryQueue()
    queue.refuse("InternalError", positions={3})
    failed: list[ImportFailure] = []
    assert import_letters(queue, numbered(10), on_failure=failed.append) == 9
    assert failed == [ImportFailure(4, "InternalError")]


def test_a_queue_that_takes_nothing_ends_it() -> None:
    """The import ends before the end of the file, and the lines before that are reported."""
    queue = MemoryQueue()
    done: list[int] = []
    failed: list[ImportFailure] = []

    def on_line(number: int) -> None:
        done.append(number)
        queue.refuse("AccessDenied", calls=None, retryable=False)

    with pytest.raises(QueueError, match="refuses everything: AccessDenied"):
        import_letters(queue, numbered(10_000), on_failure=failed.append, on_line=on_line)
    assert (done, len(failed), len(queue.messages)) == ([160], 160, 160)


def test_an_export_is_of_the_selected(tmp_path: Path) -> None:
    """Only they are written, within the limit, the absent are named, and all stay where they are."""
    queues = QueuePair(*(letter(number) for number in range(25)))
    with Archive(tmp_path / "a") as archive:
        done = export(queues.dead, archive, Selector.of(ids=["nobody", "00000000-0000-0000-0000-000000000003"]))
    assert (done.seen, done.written, done.missing) == (25, 1, frozenset({"nobody"}))
    with Archive(tmp_path / "b") as archive:
        assert export(queues.dead, archive, Selector.of(kinds=["stock.adjusted"]), limit=7).written == 7
    assert [len(bodies(tmp_path / name)) for name in "ab"] == [1, 7]
    assert queues.dead.depth().visible == 25
