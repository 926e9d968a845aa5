"""Files of dead letters: no file is overwritten, and no error of a file loses a dead letter."""

import errno
import gzip
import json
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from penstock.deadletters.archive import file as archives
from penstock.deadletters.archive.export import ImportFailure
from penstock.deadletters.archive.file import Archive, ArchiveError, ArchiveExists, read_archive
from penstock.queue import Outgoing, Received
from penstock.testing.queue import MemoryQueue
from tests.support.archives import bodies, import_file

SAME_FOLDER = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])


def received(number: int, body: str = "hello") -> Received:
    """Return a message as a queue gives it."""
    return Received(str(number), "handle", body, {}, 1, 0.0, 0.0)


def through(path: Path, *steps: Callable[[Archive], object]) -> None:
    """Write a file step by step."""
    with Archive(path) as archive:
        for step in steps:
            step(archive)


def one(archive: Archive) -> None:
    """Write a message."""
    archive.write([received(1)])


def interrupt(_: Archive) -> None:
    """End the run, as Ctrl-C does."""
    raise KeyboardInterrupt


def names(folder: Path) -> list[str]:
    """Return the names of a folder's files."""
    return [path.name for path in folder.iterdir()]


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
@SAME_FOLDER
@given(data=st.data())
def test_what_was_written_before_a_cut_is_there(tmp_path: Path, name: str, data: st.DataObject) -> None:
    """An incomplete file that is cut off anywhere, as by kill -9, can be imported up to that point."""
    sizes: list[int] = []
    partial = tmp_path / f"{name}.part"
    partial.unlink(missing_ok=True)

    def write_five(archive: Archive) -> None:
        for number in range(5):
            archive.write([received(number, f"body {number}")])
            sizes.append(partial.stat().st_size)

    with suppress(KeyboardInterrupt):
        through(tmp_path / name, write_five, interrupt)
    cut = data.draw(st.integers(0, partial.stat().st_size))
    os.truncate(partial, cut)
    whole = sum(size <= cut for size in sizes)
    queue = MemoryQueue()
    with suppress(ArchiveError):
        import_file(partial, queue)
    assert [m.body for m in queue.messages][:whole] == [f"body {number}" for number in range(whole)]


def test_a_file_is_for_its_owner_alone(tmp_path: Path) -> None:
    """Nobody else may read its payloads, whatever the umask, and it gets its name when it is complete."""
    seen: list[str] = []
    before = os.umask(0)
    try:
        through(tmp_path / "x.jsonl", one, lambda _: seen.extend(names(tmp_path)))
    finally:
        os.umask(before)
    assert (seen, names(tmp_path)) == (["x.jsonl.part"], ["x.jsonl"])
    assert (tmp_path / "x.jsonl").stat().st_mode & 0o777 == 0o600


def test_an_interrupted_file_keeps_its_partial_name(tmp_path: Path) -> None:
    """Everything that was written is readable under that name, compressed or not."""
    for name in ("x.jsonl", "x.jsonl.gz"):
        with pytest.raises(KeyboardInterrupt):
            through(tmp_path / name, one, interrupt)
        assert not (tmp_path / name).exists()
        assert bodies(tmp_path / f"{name}.part") == ["hello"]


@pytest.mark.parametrize("taken", ["x.jsonl", "x.jsonl.part"])
def test_no_file_is_overwritten(tmp_path: Path, taken: str) -> None:
    """Neither a file of that name nor the partial file of an interrupted run is touched."""
    (tmp_path / taken).write_text("mine")
    with pytest.raises(ArchiveExists, match=f"{taken} exists already"):
        Archive(tmp_path / "x.jsonl")
    assert (tmp_path / taken).read_text() == "mine"


def test_a_file_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    """The partial file stays, and the error names it."""
    path = tmp_path / "x.jsonl"
    with pytest.raises(ArchiveExists, match=r"what was written is in .*x\.jsonl\.part"):
        through(path, one, lambda _: path.write_text("another run's"))
    assert path.read_text() == "another run's"
    assert bodies(tmp_path / "x.jsonl.part") == ["hello"]


def test_another_compression_is_refused(tmp_path: Path) -> None:
    """A name with the suffix of another compression is refused."""
    with pytest.raises(ArchiveError, match=r"\.gz is the only compression that is supported"):
        Archive(tmp_path / "x.jsonl.zst")


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The error says which file cannot be written, and why."""
    with pytest.raises(ArchiveError, match="No such file or directory"):
        through(tmp_path / "no" / "x.jsonl")


class Full:
    """A disk that becomes full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = False
        self._fsync = os.fsync
        monkeypatch.setattr(os, "fsync", self.fsync)

    def fill(self, _: Archive) -> None:
        """Let nothing more reach the disk."""
        self.is_full = True

    def fsync(self, descriptor: int) -> None:
        """Write through to the disk."""
        if self.is_full:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        self._fsync(descriptor)


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_a_full_disk_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """If data does not reach the disk, an error says so, and the file does not get its name."""
    disk = Full(monkeypatch)
    with pytest.raises(ArchiveError, match="No space left on device"):
        through(tmp_path / name, one, disk.fill, one)
    assert names(tmp_path) == [f"{name}.part"]


def test_a_disk_that_is_full_at_the_end_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure to write the last bytes is an error, too."""
    disk = Full(monkeypatch)
    with pytest.raises(ArchiveError, match="No space left on device"):
        through(tmp_path / "x.jsonl.gz", one, disk.fill)
    assert names(tmp_path) == ["x.jsonl.gz.part"]


def test_every_page_and_every_name_is_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is written through before `write` returns; so is its folder, when it is made and named."""
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    through(tmp_path / "x.jsonl", lambda _: synced.append("made"), one, lambda _: synced.append("written"))
    assert synced[:4] == [tmp_path.name, "made", "x.jsonl.part", "written"]
    assert synced[-1] == tmp_path.name


def line(body: str = "hello", **more: Any) -> str:
    """Write a line of a file."""
    return json.dumps({"body": body, "attributes": {}} | more)


@pytest.mark.parametrize(
    "foreign",
    [
        "",
        "hello",
        "{}",
        "[]",
        '{"body": "x"}',
        '{"body": 1, "attributes": {}}',
        '{"body": "x", "attributes": {"a": "text"}}',
        '{"body": "x", "attributes": {"a": {"type": "Binary", "base64": "!"}}}',
        '{"body": "\\ud800", "attributes": {}}',
        '{"body": "x", "attributes": ' + "[" * 100_000,
    ],
)
def test_a_line_of_another_programs_stops_no_other(tmp_path: Path, foreign: str) -> None:
    """Its number is reported; the lines before and after it are imported."""
    path = tmp_path / "x.jsonl"
    path.write_text(f"{line('before')}\n{foreign}\n{line('after')}\n")
    queue = MemoryQueue()
    assert import_file(path, queue) == [ImportFailure(2, "NoMessage")]
    assert [m.body for m in queue.messages] == ["before", "after"]


def test_bytes_that_are_no_text_are_no_message(tmp_path: Path) -> None:
    """A binary file gives nothing to send."""
    (tmp_path / "x").write_bytes(b"\xff\xfe\x00\n" * 3)
    assert bodies(tmp_path / "x") == [None, None, None]


def test_a_line_without_an_end_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long, it is read in bounds, and no tail of it is taken for a message."""
    monkeypatch.setattr(archives, "LINE_LIMIT", 64)
    (tmp_path / "x").write_text(f"{'x' * 64}{line('a')}\n{'x' * 10_000}\n{line('b')}\n")
    assert list(read_archive(tmp_path / "x")) == [(1, None), (2, None), (3, Outgoing("b"))]


def test_the_largest_message_is_a_line(tmp_path: Path) -> None:
    """A mebibyte of the characters with the longest escapes is exported and imported."""
    body = '"\\\n' * (1_048_576 // 3)
    with Archive(tmp_path / "x") as archive:
        archive.write([received(1, body)])
    assert bodies(tmp_path / "x") == [body]


def test_lines_may_have_more_in_them(tmp_path: Path) -> None:
    """Fields that a later version adds are ignored."""
    (tmp_path / "x").write_text(f"{line(colour='blue')}\n")
    assert bodies(tmp_path / "x") == ["hello"]


@pytest.mark.parametrize("name", [".", "no"])
def test_an_unreadable_file_is_named(tmp_path: Path, name: str) -> None:
    """A directory and a missing file are errors that name the path."""
    with pytest.raises(ArchiveError, match="cannot be read"):
        list(read_archive(tmp_path / name))


def test_damage_in_the_middle_is_an_error(tmp_path: Path) -> None:
    """A compressed file with a changed byte is an error, not a shorter file."""
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(line(os.urandom(500).hex()).encode()))
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(ArchiveError, match="cannot be read"):
        list(read_archive(path))


def test_an_uncompressed_file_may_have_any_name(tmp_path: Path) -> None:
    """The content decides: a file that was unpacked by hand and kept its name is read."""
    (tmp_path / "x.gz").write_text(f"{line()}\n")
    assert bodies(tmp_path / "x.gz") == ["hello"]
