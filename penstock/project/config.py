"""`[tool.penstock]` in pyproject.toml: where the parts of a service are. docs/project.md describes each key."""

import tomllib
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock.project.errors import ProjectError
from penstock.project.serverless import NAME as SERVERLESS_FILE

FILE: Final = "pyproject.toml"
TABLE: Final = "tool.penstock"
NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9_.-]*$"

CONVENTIONAL_MIGRATIONS: Final = "infra/migrations"

Text = Annotated[str, Field(min_length=1)]
Texts = tuple[Text, ...]


class _Table(BaseModel):
    """A table of the file. The description of a field completes the sentence 'KEY has to be ...'."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class ArtifactConfig(_Table):
    """`[tool.penstock.build.artifacts.NAME]`: the content of one artifact.

    Attributes:
        include: files, folders and glob patterns, relative to pyproject.toml.
        extras: the extras of Penstock that the artifact needs; none for producers.
        dependencies: distributions in the lock that the artifact needs beside the project's own dependencies.
    """

    include: Texts = Field(min_length=1, description='a list of files, folders and patterns, such as ["producer"]')
    extras: tuple[Literal["consumer", "encryption", "migrate"], ...] = Field(
        (),
        description='a list of the extras of Penstock that run in a function: "consumer", "encryption", "migrate"',
    )
    dependencies: Texts = Field((), description='a list of distributions in the lock, such as ["httpx"]')


class BuildConfig(_Table):
    """`[tool.penstock.build]`: how the artifacts are built.

    Attributes:
        lock: the lock file, relative to pyproject.toml; None to look for it.
        python: the functions' version of Python; None for the one in serverless.yml.
        architecture: the functions' architecture; None for the one in serverless.yml.
        artifacts: the artifacts by their names.
    """

    lock: Text | None = Field(None, description='the path of a lock file, such as "uv.lock"')
    python: str | None = Field(
        None, pattern=r"^3\.\d+$", description='the version of Python of the functions, such as "3.14"'
    )
    architecture: Literal["arm64", "x86_64"] | None = Field(None, description='"arm64" or "x86_64"')
    artifacts: dict[Annotated[str, Field(pattern=NAME)], ArtifactConfig] = Field(
        {}, description="a table for each artifact, whose name has letters, digits, and . _ - inside"
    )


class Config(_Table):
    """`[tool.penstock]`, with the conventional names where the file says nothing.

    Attributes:
        folder: the folder of the service, which all paths are relative to.
        intents: the modules of the write intents.
        drain: the drain, as MODULE:ATTRIBUTE.
        migrations: the folder of the service's migrations; None for `infra/migrations`, if it exists.
        build: how the artifacts are built.
    """

    folder: Path = Field(Path(), exclude=True)
    intents: Texts = Field(
        ("shared.intents",), min_length=1, description='a list of modules, such as ["shared.intents"]'
    )
    drain: str = Field(
        "consumer.writes:drain",
        pattern=r"^[\w.]+:\w+$",
        description='of the form MODULE:ATTRIBUTE, such as "consumer.writes:drain"',
    )
    migrations: Text | None = Field(None, description='the path of a folder, such as "infra/migrations"')
    build: BuildConfig = Field(BuildConfig(), description="a table")

    @classmethod
    def find(cls, start: Path) -> Self:
        """Read the first pyproject.toml with a table `tool.penstock`, in a folder or above it.

        Without one, the service is in the first folder with serverless.yml, or else in the folder itself, and all
        names are the conventional ones.

        Raises:
            ProjectError: the file is not TOML, or the table has an unknown key or a value of another kind.
        """
        folders = [start.resolve(), *start.resolve().parents]
        for folder in folders:
            table = read(folder).get("tool", {}).get("penstock")
            if table is not None:
                return cls._parse(folder, table)
        own = next((folder for folder in folders if (folder / SERVERLESS_FILE).is_file()), folders[0])
        return cls(folder=own)

    @classmethod
    def _parse(cls, folder: Path, table: Any) -> Self:
        if not isinstance(table, dict):
            raise ProjectError(f"{folder / FILE}: {TABLE} has to be a table: [{TABLE}]")
        if "folder" in table:
            raise ProjectError(f"{folder / FILE}: {_unknown('folder', Config, ())}")
        try:
            return cls.model_validate(table | {"folder": folder})
        except ValidationError as error:
            problems = dict.fromkeys(_problem(one["loc"], one["type"]) for one in error.errors())
            raise ProjectError("\n".join(f"{folder / FILE}: {problem}" for problem in problems)) from None

    @property
    def build_folder(self) -> Path:
        """The folder of what is built."""
        return self.folder / "build"

    @property
    def migrations_folder(self) -> Path | None:
        """The folder of the service's migrations; None if there is none.

        Raises:
            ProjectError: there is no such folder.
        """
        folder = self.folder / (self.migrations or CONVENTIONAL_MIGRATIONS)
        if folder.is_dir():
            return folder
        if self.migrations is None:
            return None
        raise ProjectError(
            f"{self.folder / FILE}: there is no folder {self.migrations}, which {TABLE}.migrations names: "
            "create or correct it"
        )


def read(folder: Path) -> dict[str, Any]:
    """Return the content of the pyproject.toml of a folder; nothing if there is no such file.

    Raises:
        ProjectError: the file is not TOML.
    """
    file = folder / FILE
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{file} is not TOML: {error}") from None


_NAME_OF_A_TABLE: Final = "[key]"
"""How Pydantic calls the place of a key that is wrong itself."""
_MODELS: Final[dict[int, type[_Table]]] = {0: Config, 1: BuildConfig, 3: ArtifactConfig}
"""The model of a table by its depth: `[]`, `[build]` and `[build.artifacts.NAME]`."""


def _problem(place: Sequence[int | str], kind: str) -> str:
    """Say what is wrong at a place of the table, given as the keys and indexes that lead to it."""
    if place[-1] == _NAME_OF_A_TABLE:
        place = place[:-2]
    depth = max(one for one in _MODELS if one < len(place) and (one == 0 or place[0] == "build"))
    model, above, key = _MODELS[depth], place[:depth], str(place[depth])
    if kind == "extra_forbidden":
        return _unknown(key, model, above)
    name = ".".join([TABLE, *map(str, above), key])
    if kind == "missing":
        return f"{name} is missing: it has to be {model.model_fields[key].description}"
    return f"{name} has to be {model.model_fields[key].description}"


def _unknown(key: str, model: type[_Table], above: Sequence[int | str]) -> str:
    known = [name for name in model.model_fields if name != "folder"]
    near = get_close_matches(key, known, n=1)
    hint = f"write {near[0]}" if near else f"its keys are {', '.join(known)}"
    return f"[{'.'.join([TABLE, *map(str, above)])}] has no key {key}: {hint}"
