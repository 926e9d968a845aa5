"""Making a service in a folder, new or existing. No file is ever overwritten."""

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from penstock.artifacts.framework import DISTRIBUTION
from penstock.scaffold import record
from penstock.scaffold.merge import Merge, what_to_merge
from penstock.scaffold.record import Record, digest
from penstock.scaffold.service import AnswerError, Answers, Templates


@dataclass(frozen=True)
class Made:
    """What was made.

    Attributes:
        folder: the folder of the service.
        written: the files that were written, relative to the folder.
        merges: what to merge into files that were there before.
    """

    folder: Path
    written: tuple[str, ...]
    merges: tuple[Merge, ...]


def create(folder: Path, answers: Answers) -> Made:
    """Make a service: write each file that is not there, and say what to merge into the others.

    Args:
        folder: the folder of the service; it does not have to exist.
        answers: what the service is made from.

    Raises:
        AnswerError: Penstock has made a service in the folder before.
        OSError: a file cannot be written; the files before it are.
    """
    if (folder / record.NAME).exists():
        raise AnswerError(
            f"{folder} has a service of `penstock init` already: `penstock init --update` shows what this version "
            "would change"
        )
    templates = Templates()
    files = templates.render(answers)
    there = {path for path in files if (folder / path).exists()}
    _write(folder, {path: text for path, text in files.items() if path not in there})
    _write(folder, {record.NAME: record_of(answers, files).text()})
    merges = what_to_merge(folder, {path: files[path] for path in sorted(there)}, answers, templates)
    return Made(folder, tuple(_sorted(files.keys() - there)), tuple(merges))


def record_of(answers: Answers, files: dict[str, str]) -> Record:
    """Return the record of a service that the installed version makes."""
    return Record(version(DISTRIBUTION), answers, {path: digest(text) for path, text in files.items()})


def _write(folder: Path, files: dict[str, str]) -> None:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("x", encoding="utf-8", newline="\n") as opened:
            opened.write(text)


def _sorted(paths: Iterable[str]) -> list[str]:
    """Return paths as a listing shows them: the files of a folder before its folders."""
    return sorted(paths, key=lambda path: (path.count("/"), path))
