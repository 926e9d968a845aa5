"""Making a service in a folder."""

import json
from pathlib import Path

import pytest

from penstock.scaffold.create import create
from penstock.scaffold.record import NAME, Record
from penstock.scaffold.service import AnswerError, Answers, Templates

SHOP = Answers("shop")


def content(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*") if path.is_file()}


def test_a_new_service_has_every_file(tmp_path: Path) -> None:
    """Every file is written, and nothing is left to merge."""
    made = create(tmp_path / "shop", SHOP)
    files = content(tmp_path / "shop")
    assert {path: files[path] for path in made.written} == Templates().render(SHOP)
    assert files.keys() - set(made.written) == {NAME}
    assert made.merges == ()


def test_the_service_remembers_how_it_was_made(tmp_path: Path) -> None:
    """The record has the version, the answers, and each file."""
    answers = Answers("shop", vpc=True)
    create(tmp_path, answers)
    record = Record.read(tmp_path)
    assert record is not None
    assert record.answers == answers
    assert record.digests.keys() == Templates().render(answers).keys()


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    """A file that is there keeps its bytes, and what it needs is said."""
    files = Templates().render(SHOP)
    there = {path: f"mine: {path}\n" for path in files}
    for path, text in there.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    made = create(tmp_path, SHOP)
    assert {path: text for path, text in content(tmp_path).items() if path != NAME} == there
    assert made.written == ()
    assert {merge.path for merge in made.merges} == set(files)


def test_a_file_that_is_the_same_needs_no_merge(tmp_path: Path) -> None:
    """What is there already word for word is left out of what to merge."""
    files = Templates().render(SHOP)
    (tmp_path / "shared").mkdir()
    (tmp_path / "shared" / "intents.py").write_text(files["shared/intents.py"])
    (tmp_path / ".gitignore").write_text(files[".gitignore"] + "own/\n")
    assert create(tmp_path, SHOP).merges == ()


def test_a_serverless_file_is_told_its_parts(tmp_path: Path) -> None:
    """For an existing serverless.yml the keys are shown under which a chosen option needs something."""
    (tmp_path / "serverless.yml").write_text("service: old\n")
    (merge,) = create(tmp_path, Answers("shop", vpc=True)).merges
    keys = [line for line in merge.text.splitlines() if line and not line.startswith((" ", "#"))]
    assert keys == ["custom:", "params:", "provider:", "functions:", "resources:"]
    assert "securityGroupIds" in merge.text
    assert "architecture" not in merge.text


def test_a_service_is_made_once(tmp_path: Path) -> None:
    """A second time in the same folder is refused, with the command that shows what is new."""
    create(tmp_path, SHOP)
    with pytest.raises(AnswerError, match="init --update"):
        create(tmp_path, SHOP)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"version": "1", "answers": {"size": 3}, "files": {}}'])
def test_a_record_that_is_none_is_named(tmp_path: Path, text: str) -> None:
    """A damaged record is an error with its path."""
    (tmp_path / NAME).write_text(text)
    with pytest.raises(AnswerError, match=NAME):
        Record.read(tmp_path)


def test_the_record_is_stable(tmp_path: Path) -> None:
    """The same version and answers give the same record, so that it makes no noise in a repository."""
    texts = []
    for name in ("a", "b"):
        create(tmp_path / name, SHOP)
        texts.append((tmp_path / name / NAME).read_text())
    assert texts[0] == texts[1]
    assert json.loads(texts[0])["answers"]["name"] == "shop"
