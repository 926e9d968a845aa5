"""The files of an artifact, by their paths inside it."""

from collections.abc import Collection, Iterator, Mapping
from importlib.util import source_from_cache
from pathlib import Path
from typing import Final

from penstock.artifacts.errors import BuildError
from penstock.artifacts.framework import PACKAGE, needs
from penstock.project.config import TABLE, ArtifactConfig, Config

_CACHE: Final = "__pycache__"
_SCRIPTS: Final = "bin"
_INSTALLERS: Final = {".lock", "INSTALLER", "RECORD", "REQUESTED", "direct_url.json", "uv_cache.json"}
"""What an installer writes for itself, with paths and times of this machine."""

Files = Mapping[str, Path]


def own_files(config: Config, name: str, artifact: ArtifactConfig) -> Files:
    """Return the files of the service that an artifact includes.

    Files and folders whose names begin with a dot are left out of folders, and so is bytecode.

    Raises:
        BuildError: a pattern of `include` matches nothing, or leads out of the service's folder.
    """
    found: dict[str, Path] = {}
    for pattern in artifact.include:
        matched = dict(_matches(config.folder, pattern))
        if not matched:
            raise BuildError(
                f"{TABLE}.build.artifacts.{name}.include: {pattern!r} matches no file in {config.folder}: name "
                "files, folders or patterns in that folder"
            )
        found |= matched
    return found


def framework_files(folder: Path, extras: Collection[str]) -> Files:
    """Return the files of the framework in its own repository that an artifact needs."""
    return {name: file for name, file in _walk(folder, folder / PACKAGE) if needs(extras, name)}


def dependency_files(folder: Path, extras: Collection[str]) -> Files:
    """Return the installed files that an artifact needs; of the framework that is a part only."""
    return {
        name: file
        for name, file in ((str(file.relative_to(folder)), file) for file in sorted(folder.rglob("*")))
        if file.is_file() and not _belongs_to_installer(name) and _needed(extras, name)
    }


def merge(artifact: str, *parts: Files) -> Files:
    """Return all files of some parts.

    Raises:
        BuildError: two parts have a file of the same path.
    """
    merged: dict[str, Path] = {}
    for part in parts:
        if both := sorted(merged.keys() & part.keys()):
            raise BuildError(
                f"{both[0]} of the artifact {artifact} is a file of the service and of a dependency: rename the "
                "module of the service"
            )
        merged |= part
    return merged


def _matches(folder: Path, pattern: str) -> Iterator[tuple[str, Path]]:
    relative = Path(pattern)
    if relative.is_absolute() or ".." in relative.parts or not relative.parts:
        return
    for found in [folder / relative] if (folder / relative).exists() else sorted(folder.glob(pattern)):
        if found.is_dir():
            yield from _walk(folder, found)
        else:
            yield str(found.relative_to(folder)), found


def _walk(folder: Path, inner: Path) -> Iterator[tuple[str, Path]]:
    """Yield the files in a folder inside another one, by their paths in the outer one."""
    for file in sorted(inner.rglob("*")):
        parts = file.relative_to(inner).parts
        if file.is_file() and not any(part.startswith(".") or part == _CACHE for part in parts):
            yield str(file.relative_to(folder)), file


def _belongs_to_installer(name: str) -> bool:
    path = Path(name)
    return path.parts[0] == _SCRIPTS or (path.name in _INSTALLERS and (len(path.parts) == 1 or _is_metadata(path)))


def _is_metadata(path: Path) -> bool:
    return path.parts[0].endswith(".dist-info")


def _needed(extras: Collection[str], name: str) -> bool:
    """Return whether an artifact needs an installed file; bytecode goes with its source."""
    if not name.startswith(f"{PACKAGE}/"):
        return True
    return needs(extras, source_from_cache(name) if name.endswith(".pyc") else name)
