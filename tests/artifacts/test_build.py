"""Building artifacts in a repository that is not this one."""

import json
import os
import re
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from penstock.artifacts.bytecode import find_python
from penstock.artifacts.errors import BuildError
from penstock.artifacts.notes import notes
from penstock.artifacts.target import Target
from tests.support.repositories import CONSUMER, HERE, UV, Repository

pytestmark = [pytest.mark.xdist_group("artifacts"), pytest.mark.server]

DATABASE = {"alembic", "psycopg", "psycopg_binary", "sqlalchemy"}
OTHER = '[tool.penstock.build.artifacts.other]\ninclude = ["app"]\n'
NEVER = {"boto3", "botocore", "typer", "rich", "shellingham", "bin"}


def rooms(repository: Repository, artifact: str) -> set[str]:
    """Return the packages of the framework in an artifact."""
    inside = (name.split("/") for name in repository.names(artifact) if name.startswith("penstock/"))
    return {parts[1] for parts in inside if len(parts) > 2} - {"__pycache__"}


def test_each_artifact_has_what_it_needs(built: Repository) -> None:
    """A producer has no database library and no part of Penstock that uses one; none has tools of developers."""
    producer, consumer = built.tops("producer"), built.tops("consumer")
    common = {"app", "meadow", "penstock", "pydantic", "aws_lambda_powertools", "annotated_doc"}
    assert common <= producer & consumer
    assert not producer & (DATABASE | NEVER)
    assert consumer & (DATABASE | NEVER) == DATABASE - {"alembic"}
    assert rooms(built, "producer") == {"encryption", "expressions", "intents", "metrics", "producer", "queue"}
    assert rooms(built, "consumer") == rooms(built, "producer") | {
        "consumer",
        "database",
        "deadletters",
        "functions",
    }


def test_own_files(built: Repository) -> None:
    """Files, folders and patterns are included; bytecode of this machine and hidden files are not."""
    own = {name for name in built.names("producer") if name.startswith(("app", "meadow"))}
    cached = {
        f"{folder}/__pycache__/{name}.cpython-311.pyc" for folder, name in (("app", "api"), ("meadow", "intents"))
    }
    assert own == {"app/api.py", "meadow/intents.py", "meadow/deep/data.json"} | cached
    assert "app/.env" not in built.names("consumer")


def test_an_artifact_runs(built: Repository, tmp_path: Path) -> None:
    """The modules of an artifact are imported from its bytecode, whatever time their sources have."""
    unzipped = tmp_path / "unzipped"
    with zipfile.ZipFile(built.folder / "build" / "dev" / "producer.zip") as archive:
        archive.extractall(unzipped)
    (unzipped / "meadow" / "intents.py").write_text("ONE = 2\n")
    os.utime(unzipped / "meadow" / "intents.py", (0, 0))
    code = "import app.api, penstock.intents, pydantic; print(app.api.meadow.intents.ONE)"
    done = subprocess.run(
        [sys.executable, "-S", "-c", code], cwd=unzipped, capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("1\n", "")


def test_same_input_same_bytes(
    built: Repository, tmp_path_factory: pytest.TempPathFactory, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another folder, umask, time zone, time and installation give the same bytes."""
    umask = os.umask(0o077)
    monkeypatch.setenv("TZ", "Pacific/Chatham")
    try:
        time.tzset()
        again = Repository.make(tmp_path_factory.mktemp("another place"), wheel, tmp_path_factory.mktemp("other"))
        again.add(CONSUMER)
        artifacts = again.build()
    finally:
        os.umask(umask)
        monkeypatch.undo()
        time.tzset()
    assert all(one.bytecode for one in artifacts.values())
    for name in ("producer", "consumer"):
        first, second = (one.folder / "build" / "dev" / f"{name}.zip" for one in (built, again))
        assert first.read_bytes() == second.read_bytes()


def test_only_what_changed_is_written(repository: Repository) -> None:
    """A second build writes nothing, a changed file only its artifacts, and a damaged archive is built again."""

    def build() -> list[bool]:
        return [one.changed for one in repository.build("local").values()]

    repository.add(OTHER)
    assert [build(), build()] == [[True, True], [False, False]]
    repository.write("app/writes.py", "TWO = 2\n")
    assert build() == [False, True]
    archive = repository.folder / "build" / "local" / "producer.zip"
    archive.write_bytes(archive.read_bytes()[:-500])
    assert build() == [True, False]
    assert repository.tops("producer", "local") > {"app", "meadow"}


def test_the_stage_local(repository: Repository) -> None:
    """The stage `local` is for this machine's Python, whatever the configuration says, and has no bytecode."""
    repository.edit("pyproject.toml", f'python = "{HERE}"', 'python = "3.14"')
    repository.edit("pyproject.toml", '"x86_64"', '"arm64"')
    built = repository.build("local")
    assert not any(name.endswith(".pyc") for name in repository.names("producer", "local"))
    compiled = {
        name for name in repository.names("producer", "local") if name.startswith("pydantic_core/_pydantic")
    }
    assert any(f"cpython-{sys.version_info.major}{sys.version_info.minor}" in name for name in compiled)
    assert notes([*built.values()], "local") == []


def test_another_machine(repository: Repository, monkeypatch: pytest.MonkeyPatch) -> None:
    """Compiled modules are for the target. Without its Python there is no bytecode, and a note says so."""
    assert find_python(Target("3.99", "arm64"), repository.folder) is None
    monkeypatch.setattr("penstock.artifacts.build.find_python", lambda *_: None)
    repository.edit("pyproject.toml", f'python = "{HERE}"', 'python = "3.14"')
    repository.edit("pyproject.toml", '"x86_64"', '"arm64"')
    built = repository.build()
    compiled = [name for name in repository.names("producer") if name.endswith(".so")]
    assert compiled
    assert all("cpython-314-aarch64" in name for name in compiled)
    assert not any(one.bytecode for one in built.values())
    (note,) = notes([*built.values()], "dev")
    assert "uv python install 3.14" in note


@pytest.mark.parametrize("said", ["pypy-final-3.14", "cpython-candidate-3.14", "cpython-final-3.13", ""])
def test_bytecode_that_the_runtime_would_ignore(
    said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a release of CPython in the functions' version compiles: the runtime ignores bytecode of any other."""
    python = tmp_path / "python"
    monkeypatch.setattr(
        "penstock.artifacts.bytecode.run_uv", lambda *_: subprocess.CompletedProcess([], 0, f"{python}\n")
    )
    for answer in (said, "cpython-final-3.14"):
        python.write_text(f"#!/bin/sh\necho {answer}\n")
        python.chmod(0o755)
        assert (find_python(Target("3.14", "arm64"), tmp_path) == python) == (answer != said)


def test_a_dependency_of_one_artifact(repository: Repository) -> None:
    """A distribution that only one artifact names is only in that one; boto3 too, which the runtime has."""
    repository.add(f'{OTHER}extras = ["migrate"]\ndependencies = ["rich", "Boto3"]')
    repository.build("local")
    assert {"rich", "boto3", "botocore", "alembic"} <= repository.tops("other", "local")
    assert not repository.tops("producer", "local") & NEVER
    assert "penstock/database/migrations/versions/0001_ledger.py" in repository.names("other", "local")


def test_uv_lock(repository: Repository) -> None:
    """The versions of uv.lock are used, without groups for development; a lock that is out of date is refused."""
    requirements = repository.folder / "requirements.txt"
    versions = re.findall(r"^[a-z][\w.-]*==[\w.]+", requirements.read_text(), re.MULTILINE)
    requirements.unlink()
    with (repository.folder / "pyproject.toml").open("a") as file:
        file.write(f"[tool.uv]\nconstraint-dependencies = {json.dumps(versions)}\n")
    subprocess.run([UV, "lock", "--quiet", "--python", sys.executable], cwd=repository.folder, check=True)
    repository.add(f'{OTHER}extras = ["consumer"]\n')
    repository.build("local")
    assert "annotated_doc" in repository.tops("producer", "local")
    assert not repository.tops("producer", "local") & (DATABASE | NEVER)
    assert DATABASE - {"alembic"} <= repository.tops("other", "local")
    repository.edit("pyproject.toml", '"annotated-doc"]', '"annotated-doc", "idna"]')
    with pytest.raises(BuildError, match=r"uv\.lock is out of date with pyproject\.toml: run `uv lock`"):
        repository.build("local")
