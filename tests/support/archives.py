"""Files of dead letters: their messages, and how they are imported."""

from pathlib import Path

from penstock.deadletters.archive.export import ImportFailure, import_letters
from penstock.deadletters.archive.file import read_archive
from penstock.testing.queue import MemoryQueue


def bodies(path: Path) -> list[str | None]:
    """Return the texts of a file's messages."""
    return [message.body if message else None for _, message in read_archive(path)]


def import_file(path: Path, queue: MemoryQueue) -> list[ImportFailure]:
    """Import a file to a queue; return what failed."""
    failed: list[ImportFailure] = []
    import_letters(queue, read_archive(path), on_failure=failed.append)
    return failed
