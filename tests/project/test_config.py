"""`[tool.penstock]` in pyproject.toml, read strictly."""

from pathlib import Path

import pytest

from penstock.project.config import Config
from penstock.project.errors import ProjectError

FULL = """
[tool.penstock]
intents = ["farm.intents", "farm.more"]
drain = "farm.writes:drain"
migrations = "db"
[tool.penstock.build]
lock = "prod.txt"
python = "3.14"
architecture = "arm64"
[tool.penstock.build.artifacts.all-in-1]
include = ["farm"]
extras = ["consumer", "migrate"]
dependencies = ["httpx"]
"""


def find(folder: Path, text: str) -> Config:
    (folder / "pyproject.toml").write_text(text)
    return Config.find(folder)


def test_every_key(tmp_path: Path) -> None:
    """Each key is read, and the folder is that of the file."""
    (tmp_path / "db").mkdir()
    config = find(tmp_path, FULL)
    assert (config.folder, config.intents, config.drain) == (
        tmp_path,
        ("farm.intents", "farm.more"),
        "farm.writes:drain",
    )
    assert config.migrations_folder == tmp_path / "db"
    assert (config.build.lock, config.build.python, config.build.architecture) == ("prod.txt", "3.14", "arm64")
    artifact = config.build.artifacts["all-in-1"]
    assert (artifact.include, artifact.extras, artifact.dependencies) == (
        ("farm",),
        ("consumer", "migrate"),
        ("httpx",),
    )


def test_the_conventional_names(tmp_path: Path) -> None:
    """Without a table the names are the conventional ones, in the folder with serverless.yml."""
    (tmp_path / "serverless.yml").touch()
    inner = tmp_path / "a" / "b"
    inner.mkdir(parents=True)
    (tmp_path / "a" / "pyproject.toml").write_text("[tool.ruff]\n")
    config = Config.find(inner)
    assert (config.folder, config.intents, config.drain) == (
        tmp_path,
        ("shared.intents",),
        "consumer.writes:drain",
    )
    (tmp_path / "serverless.yml").unlink()
    assert Config.find(inner).folder == inner


def test_the_conventional_folder_of_migrations(tmp_path: Path) -> None:
    """A service that names no folder of migrations may have `infra/migrations`, or none."""
    assert Config.find(tmp_path).migrations_folder is None
    (tmp_path / "infra" / "migrations").mkdir(parents=True)
    assert Config.find(tmp_path).migrations_folder == tmp_path / "infra" / "migrations"


def test_the_nearest_table(tmp_path: Path) -> None:
    """The first table upwards is used, also above a folder with serverless.yml or another pyproject.toml."""
    inner = tmp_path / "deploy" / "deep"
    inner.mkdir(parents=True)
    (tmp_path / "deploy" / "serverless.yml").touch()
    (inner / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    find(tmp_path, '[tool.penstock]\ndrain = "a.b:c"\n')
    assert (Config.find(inner).folder, Config.find(inner).drain) == (tmp_path, "a.b:c")


BUILD = "[tool.penstock.build]\n"
ARTIFACT = '[tool.penstock.build.artifacts.x]\ninclude = ["x"]\n'


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('intent = ["x"]', "[tool.penstock] has no key intent: write intents"),
        ("folder = 'x'", "[tool.penstock] has no key folder: its keys are intents, drain, migrations, build"),
        (BUILD + 'pythn = "3.14"', "[tool.penstock.build] has no key pythn: write python"),
        (ARTIFACT + "includes = []", "[tool.penstock.build.artifacts.x] has no key includes: write include"),
        (ARTIFACT + "zzz = 1", "has no key zzz: its keys are include, extras, dependencies"),
        ('intents = "shared.intents"', 'tool.penstock.intents has to be a list of modules, such as ["shared'),
        ("intents = []", "tool.penstock.intents has to be a list of modules"),
        ("intents = [1]", "tool.penstock.intents has to be a list of modules"),
        ('drain = "consumer.writes"', "tool.penstock.drain has to be of the form MODULE:ATTRIBUTE"),
        ("migrations = 1", "tool.penstock.migrations has to be the path of a folder"),
        ("build = 1", "tool.penstock.build has to be a table"),
        (BUILD + 'python = "python3.14"', "tool.penstock.build.python has to be the version of Python of the fun"),
        (BUILD + "python = 3.14", "tool.penstock.build.python has to be the version of Python"),
        (BUILD + 'architecture = "aarch64"', 'tool.penstock.build.architecture has to be "arm64" or "x86_64"'),
        (BUILD + "artifacts = []", "tool.penstock.build.artifacts has to be a table for each artifact"),
        (BUILD + "artifacts = {x = 1}", "tool.penstock.build.artifacts has to be a table for each artifact"),
        (
            "[tool.penstock.build.artifacts.'a/b']\ninclude = ['x']",
            "artifacts has to be a table for each artifact",
        ),
        ("[tool.penstock.build.artifacts.x]", "tool.penstock.build.artifacts.x.include is missing: it has to be"),
        (
            ARTIFACT + 'extras = ["cli"]',
            "artifacts.x.extras has to be a list of the extras of Penstock that run in",
        ),
    ],
)
def test_a_mistake(tmp_path: Path, text: str, problem: str) -> None:
    """An unknown key, a missing one or a wrong value is named, with the file and what to write."""
    with pytest.raises(ProjectError) as refusal:
        find(tmp_path, f"[tool.penstock]\n{text}")
    assert problem in str(refusal.value)
    assert str(tmp_path / "pyproject.toml") in str(refusal.value)


def test_every_mistake_is_named(tmp_path: Path) -> None:
    """All mistakes of a table are in one error."""
    with pytest.raises(ProjectError) as refusal:
        find(tmp_path, "[tool.penstock]\nintent = 1\ndrain = 2\n")
    assert len(str(refusal.value).splitlines()) == 2


@pytest.mark.parametrize(
    ("text", "problem"), [("a = [", "is not TOML"), ("tool.penstock = 1", "has to be a table")]
)
def test_no_table(tmp_path: Path, text: str, problem: str) -> None:
    """A file that is not TOML, or with a value in place of the table, is named."""
    with pytest.raises(ProjectError, match=problem):
        find(tmp_path, text)


def test_missing_migrations(tmp_path: Path) -> None:
    """A folder of migrations that does not exist is named."""
    config = find(tmp_path, '[tool.penstock]\nmigrations = "db"\n')
    with pytest.raises(ProjectError, match=r"no folder db, which tool\.penstock\.migrations names"):
        _ = config.migrations_folder
