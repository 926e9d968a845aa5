"""What a newer version would change in a service that an older one has made."""

import subprocess
from pathlib import Path

import pytest
from jinja2 import DictLoader

from penstock.scaffold.create import record_of
from penstock.scaffold.record import NAME, Record
from penstock.scaffold.service import AnswerError, Answers, Templates
from penstock.scaffold.update import State, changes

ANSWERS = Answers("shop")
OLD = {"same.txt": "one\n", "better.txt": "two of {{ name }}\n", "both.txt": "three\n", "gone.txt": "four\n"}
NEWER = OLD | {
    "better.txt": "two and a half of {{ name }}\n",
    "both.txt": "three and a half\n",
    "gone.txt": "four and a half\n",
    "new/new.txt": "five\n",
}


def templates(texts: dict[str, str]) -> Templates:
    return Templates(DictLoader({f"{path}.jinja": text for path, text in texts.items()}))


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """A service of the older version, in which one file was edited and one deleted."""
    files = templates(OLD).render(ANSWERS)
    for path, text in files.items():
        (tmp_path / path).parent.mkdir(exist_ok=True)
        (tmp_path / path).write_text(text)
    (tmp_path / NAME).write_text(Record("0.0.9", ANSWERS, record_of(ANSWERS, files).digests).text())
    (tmp_path / "same.txt").write_text("edited\n")
    (tmp_path / "both.txt").write_text("three, edited\n")
    (tmp_path / "gone.txt").unlink()
    return tmp_path


def test_only_what_the_newer_version_changes_is_shown(service: Path) -> None:
    """New and changed files are told from those that were edited or deleted; own edits alone are no change."""
    found = {change.path: change.state for change in changes(service, templates(NEWER))}
    assert found == {
        "better.txt": State.CHANGED,
        "both.txt": State.BOTH,
        "gone.txt": State.GONE,
        "new/new.txt": State.NEW,
        NAME: State.CHANGED,
    }


def test_the_patch_can_be_applied(service: Path) -> None:
    """`git apply` takes the patches of files that nobody has edited, and then there is nothing left to change."""
    found = changes(service, templates(NEWER))
    patch = "".join(change.patch for change in found if change.state is not State.BOTH)
    subprocess.run(["git", "apply", "-"], cwd=service, input=patch, text=True, check=True)
    assert (service / "better.txt").read_text() == "two and a half of shop\n"
    assert (service / "new" / "new.txt").read_text() == "five\n"
    assert changes(service, templates(NEWER)) == []


def test_nothing_is_written(service: Path) -> None:
    """To look for changes leaves every file as it is."""
    before = {path: path.read_bytes() for path in service.rglob("*") if path.is_file()}
    changes(service, templates(NEWER))
    assert {path: path.read_bytes() for path in service.rglob("*") if path.is_file()} == before


def test_a_service_of_ones_own_is_told_the_way(tmp_path: Path) -> None:
    """Without a record, the error says how Penstock is added to a service."""
    with pytest.raises(AnswerError, match="--into"):
        changes(tmp_path)
