"""The versions that a lock file pins, in the form of a constraints file for uv.

uv reads its own lock file (`uv export`), and so does poetry (`poetry export`). What they export is read here: a
pylock.toml, or a requirements.txt.
"""

import re
import shutil
import sys
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from penstock.artifacts.errors import BuildError
from penstock.artifacts.uv import run, run_uv
from penstock.project.config import Config

_UV_LOCK: Final = "uv.lock"
_POETRY_LOCK: Final = "poetry.lock"
_PYLOCK: Final = "pylock.toml"
_REQUIREMENTS: Final = "requirements.txt"
_FORMATS: Final = (_UV_LOCK, _POETRY_LOCK, _PYLOCK, _REQUIREMENTS)

_UV_EXPORT: Final = (
    *("export", "--format", "pylock.toml", "--locked", "--all-extras", "--all-groups"),
    *("--no-emit-project", "--no-header", "--no-annotate", "--quiet", "--python", sys.executable),
)
_POETRY_EXPORT: Final = ("export", "--format", _REQUIREMENTS, "--all-extras", "--all-groups", "--no-interaction")
_NAMED: Final = re.compile(r"(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[[^\]]*\])?\s*(?P<pin>===?\s*[^\s;,*]+|@\s*\S+)")
_WHEEL: Final = re.compile(r"(?:file://)?(?P<path>\S*?(?P<name>[^/\s]+?)-[^/\s]+\.whl)")


@dataclass(frozen=True)
class Lock:
    """What a lock file pins.

    Attributes:
        file: the lock file.
        pins: a line of a constraints file for each distribution, with its hashes, by the normalized name.
        folders: the normalized names of distributions that are folders of this machine.
    """

    file: Path
    pins: Mapping[str, tuple[str, ...]]
    folders: frozenset[str] = frozenset()

    @property
    def constraints(self) -> str:
        """The text of the constraints file."""
        return "".join(f"{line}\n" for lines in self.pins.values() for line in lines)


def read_lock(config: Config) -> Lock:
    """Read the lock file of a service.

    Raises:
        BuildError: there is none, it is out of date, or the tool that exports it is missing.
    """
    file = _find(config)
    match file.name:
        case "uv.lock":
            return _of_pylock(file, _export_uv(file, config.folder))
        case "poetry.lock":
            return _of_requirements(file, _export_poetry(file).splitlines())
        case name if name.endswith(".toml"):
            return _of_pylock(file, file.read_text(encoding="utf-8"))
    return _of_requirements(file, file.read_text(encoding="utf-8").splitlines())


def normalize(name: str) -> str:
    """Return the normalized name of a distribution (Python Packaging User Guide, "Names and normalization")."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _find(config: Config) -> Path:
    if config.build.lock is not None:
        given = config.folder / config.build.lock
        if given.is_file():
            return given
        raise BuildError(f"there is no lock file {given}, which tool.penstock.build.lock in pyproject.toml names")
    own = [config.folder / name for name in _FORMATS]
    # The lock of a workspace is in a folder above its members.
    above = [folder / _UV_LOCK for folder in config.folder.parents]
    for file in [*own, *above]:
        if file.is_file():
            return file
    raise BuildError(
        f"{config.folder} has no lock file ({', '.join(_FORMATS)}), so the versions of the dependencies are not "
        "known: run `uv lock`, or write the versions to requirements.txt"
    )


def _export_uv(file: Path, folder: Path) -> str:
    done = run_uv(folder, _UV_EXPORT)
    if done.returncode == 0:
        return done.stdout
    if "needs to be updated" in done.stderr:
        raise BuildError(f"{file} is out of date with pyproject.toml: run `uv lock`")
    raise BuildError(f"{file} cannot be read: {done.stderr.strip()}")


def _export_poetry(file: Path) -> str:
    poetry = shutil.which("poetry")
    if poetry is None:
        raise BuildError(f"poetry is not on the PATH, and {file} needs it: `pipx install poetry`")
    done = run([poetry, *_POETRY_EXPORT], file.parent)
    output = (done.stderr or done.stdout).strip()
    if done.returncode == 0:
        return done.stdout
    if "export does not exist" in output:
        raise BuildError("poetry has no command `export`: `poetry self add poetry-plugin-export`")
    raise BuildError(f"{file} cannot be exported: {output}")


def _of_pylock(file: Path, text: str) -> Lock:
    """Read the text of a pylock.toml (Python Packaging User Guide, "pylock.toml Specification")."""
    try:
        packages = tomllib.loads(text)["packages"]
    except (tomllib.TOMLDecodeError, KeyError) as error:
        raise BuildError(f"{file} is not a pylock.toml: {error}") from None
    pins: dict[str, list[str]] = {}
    for package in packages:
        if line := _pylock_line(package, file.parent):
            pins.setdefault(normalize(package["name"]), []).append(line)
    folders = frozenset(normalize(one["name"]) for one in packages if "directory" in one)
    return Lock(file, {name: tuple(lines) for name, lines in pins.items()}, folders)


def _pylock_line(package: Mapping[str, Any], folder: Path) -> str | None:
    """Return the constraint of a package; None for a folder, which has no wheel."""
    marker = f" ; {package['marker']}" if "marker" in package else ""
    files = [*package.get("wheels", ()), *(package[one] for one in ("sdist", "archive") if one in package)]
    hashes = "".join(sorted(f" --hash={name}:{value}" for one in files for name, value in one["hashes"].items()))
    if archive := package.get("archive"):
        url = archive.get("url") or (folder / archive["path"]).resolve().as_uri()
        return f"{package['name']} @ {url}{marker}{hashes}"
    if vcs := package.get("vcs"):
        return f"{package['name']} @ {vcs['type']}+{vcs['url']}@{vcs['commit-id']}{marker}"
    return None if "directory" in package else f"{package['name']}=={package['version']}{marker}{hashes}"


def _of_requirements(file: Path, lines: list[str]) -> Lock:
    pins: dict[str, list[str]] = {}
    for line in _joined(file, lines):
        wheel = _WHEEL.match(line)
        if wheel and " @ " not in line.partition(".whl")[0]:
            url = (file.parent / wheel["path"]).resolve().as_uri()
            line = f"{wheel['name']} @ {url}{line[wheel.end() :]}"  # noqa: PLW2901
        if named := _NAMED.match(line):
            pins.setdefault(normalize(named["name"]), []).append(line)
    return Lock(file, {name: tuple(lines) for name, lines in pins.items()})


def _joined(file: Path, lines: list[str]) -> Iterator[str]:
    """Yield the requirements of a file and of the files that it includes, one a line, without comments."""
    text = "\n".join(lines).replace("\\\n", " ")
    for line in (re.sub(r"(^|\s)#.*", "", one).strip() for one in text.splitlines()):
        included = re.fullmatch(r"(?:-r|--requirement)[ =]*(\S+)", line)
        if included:
            inner = file.parent / included[1]
            if not inner.is_file():
                raise BuildError(f"there is no file {inner}, which {file} includes: correct the line {line!r}")
            yield from _joined(inner, inner.read_text(encoding="utf-8").splitlines())
        elif line and not line.startswith("-"):
            yield re.sub(r"\s+", " ", line)
