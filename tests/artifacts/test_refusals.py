"""Builds that are refused: the error names the cause and the way out."""

from dataclasses import replace
from pathlib import Path

import pytest

from penstock.artifacts.errors import BuildError
from penstock.artifacts.limits import LIMIT_BYTES, refuse_too_large
from penstock.artifacts.notes import notes
from tests.support.cli_stack import Run
from tests.support.repositories import Repository

pytestmark = [pytest.mark.xdist_group("artifacts"), pytest.mark.server]


def refused(repository: Repository, match: str, stage: str = "dev") -> None:
    with pytest.raises(BuildError, match=match):
        repository.build(stage)


@pytest.mark.parametrize("pattern", ["ap", "app/*.txt", "../app", "/etc", ".", "empty"])
def test_an_include_that_matches_nothing(repository: Repository, pattern: str) -> None:
    """A pattern that matches no file inside the service's folder is named with its artifact."""
    (repository.folder / "empty").mkdir()
    repository.edit("pyproject.toml", '"meadow"]', f'"{pattern}"]')
    refused(repository, rf"artifacts\.producer\.include: '{pattern.replace('*', '.')}' matches no file")


def test_a_file_of_both(repository: Repository) -> None:
    """A module of the service that a dependency has too is named."""
    repository.write("pydantic/__init__.py", "")
    repository.edit("pyproject.toml", '["app/api*.py", "meadow"]', '["app", "meadow", "pydantic"]')
    refused(
        repository, r"pydantic/__init__\.py of the artifact producer is a file of the service and of a dependency"
    )


def test_no_wheel(repository: Repository) -> None:
    """A distribution without a wheel for the target is named, with the target."""
    with (repository.folder / "requirements.txt").open("a") as file:
        file.write("docopt==0.6.2\n")
    repository.add('dependencies = ["docopt"]\n')
    refused(repository, r"docopt 0\.6\.2 has no wheel for Python 3\.11, x86_64: lock a version that has one")


def test_not_in_the_lock(repository: Repository) -> None:
    """A dependency that the lock file lacks is named, whether the service needs it or another dependency does."""
    repository.edit("pyproject.toml", '"annotated-doc"]', '"annotated-doc", "tomli ; python_version < \'3.11\'"]')
    repository.add('dependencies = ["attrs"]\n')
    refused(repository, r"requirements\.txt does not have attrs")
    repository.edit("pyproject.toml", 'dependencies = ["attrs"]', "")
    repository.edit("requirements.txt", "typing-inspection==", "typing-inspection>=")
    refused(repository, r"requirements\.txt does not pin typing-inspection, which the artifact needs")


def test_another_file_than_the_locked_one(repository: Repository) -> None:
    """A wheel that does not have the locked hash is refused."""
    text = (repository.folder / "requirements.txt").read_text()
    begin = text.index("annotated-doc==")
    end = text.index("annotated-types==")
    repository.write(
        "requirements.txt", text[:begin] + "annotated-doc==0.0.7 --hash=sha256:" + "0" * 64 + "\n" + text[end:]
    )
    refused(repository, "Hash mismatch for `annotated-doc==0.0.7`")


def test_too_large(tmp_path: Path) -> None:
    """An artifact that Lambda does not accept is refused, with its largest parts."""
    sizes = {"pandas/a.so": 200_000_000, "pandas/b.py": 1_000_000, "app/data.bin": 70_000_000, "app/a.py": 10}
    files = {}
    for name, size in sizes.items():
        files[name] = tmp_path / name.replace("/", "-")
        with files[name].open("wb") as file:
            file.truncate(size)
    with pytest.raises(BuildError, match=r"271\.0 MB unzipped.*262\.1 MB.*pandas 201\.0 MB, app 70\.0 MB"):
        refuse_too_large("consumer", files)
    assert refuse_too_large("consumer", {"app/a.py": files["app/a.py"]}) == 10


def test_nearly_too_large(built: Repository) -> None:
    """An artifact that is near the limit has a note."""
    artifact = replace(built.build()["producer"], unzipped_bytes=LIMIT_BYTES - 1)
    (note,) = notes([artifact], "dev")
    assert "producer has 262.1 MB unzipped" in note


def test_no_artifacts(folder: Path, run: Run) -> None:
    """Without a table of artifacts the command shows what to write, and exits with 1."""
    (folder / "pyproject.toml").write_text("[tool.penstock]\n")
    ended = run("build")
    assert (ended.code, ended.out) == (1, "")
    assert '[tool.penstock.build.artifacts.consumer]\ninclude = ["consumer", "shared"]' in ended.err


def test_the_command(repository: Repository, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command prints a line or an object for each artifact, from any folder of the service."""
    monkeypatch.chdir(repository.folder / "meadow")
    first = run("build", "--stage", "local")
    archive = repository.folder / "build" / "local" / "producer.zip"
    assert first.code == 0, first.err
    _, line = (line.split("\t") for line in first.out.splitlines())
    assert (line[:2], line[-1]) == (["producer", "built"], str(archive))
    assert "building producer for Python" in first.err
    (row,) = run("build", "--stage", "local", "--json").rows
    size = archive.stat().st_size
    assert (row["artifact"], row["result"], row["bytecode"], row["path"], row["zip_bytes"]) == (
        *("producer", "unchanged", False, str(archive)),
        size,
    )
    assert row["unzipped_bytes"] > size
