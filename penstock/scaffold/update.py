"""What a newer version of Penstock would make otherwise in a service that it has made."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from penstock.scaffold import record
from penstock.scaffold.create import record_of
from penstock.scaffold.record import Record, digest
from penstock.scaffold.service import AnswerError, Templates


class State(StrEnum):
    """What a newer version does to a file."""

    NEW = "new"
    CHANGED = "changed"
    BOTH = "changed by you too"
    GONE = "deleted by you"


@dataclass(frozen=True)
class Change:
    """What is other in a file.

    Attributes:
        path: the file, relative to the service's folder.
        state: what happened to it.
        patch: the unified diff from the file in the folder to the newer one; empty for a deleted file.
    """

    path: str
    state: State
    patch: str


def changes(folder: Path, templates: Templates | None = None) -> list[Change]:
    """Return what the installed version would change in a service. It writes nothing.

    A file whose template is the same as when the service was made is left out, whatever was done to it since.

    Args:
        folder: the folder of the service.
        templates: the templates; those of the installed version by default.

    Raises:
        AnswerError: `penstock init` has not made the service.
    """
    made = Record.read(folder)
    if made is None:
        raise AnswerError(
            f"{folder} has no {record.NAME}, so `penstock init` did not make this service: add Penstock to it "
            "with `penstock init --into .`"
        )
    files = (templates or Templates()).render(made.answers)
    found = list(_changes(folder, made, files))
    newer = record_of(made.answers, files).text()
    if newer != made.text():
        found.append(Change(record.NAME, State.CHANGED, _patch(record.NAME, _text(folder / record.NAME), newer)))
    return found


def _changes(folder: Path, made: Record, files: dict[str, str]) -> Iterator[Change]:
    for path, text in sorted(files.items()):
        then, now = made.digests.get(path), _text(folder / path)
        if then == digest(text) or now == text:
            continue
        state = _state(then, now)
        yield Change(path, state, "" if state is State.GONE else _patch(path, now, text))


def _state(then: str | None, now: str | None) -> State:
    """Return what happened to a file, from its digest when it was made and its text now, if there are any."""
    if now is None:
        return State.NEW if then is None else State.GONE
    return State.CHANGED if digest(now) == then else State.BOTH


def _text(file: Path) -> str | None:
    return file.read_text(encoding="utf-8", errors="replace") if file.exists() else None


def _patch(path: str, old: str | None, new: str) -> str:
    """Return a diff that `git apply` and `patch -p1` take."""
    before = "/dev/null" if old is None else f"a/{path}"
    old_lines, new_lines = (old or "").splitlines(keepends=True), new.splitlines(keepends=True)
    return "".join(difflib.unified_diff(old_lines, new_lines, before, f"b/{path}"))
