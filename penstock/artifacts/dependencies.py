"""The dependencies of an artifact, in the versions of the lock file, as a folder with wheels unpacked."""

import hashlib
import json
import re
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.artifacts.bytecode import compile_folder
from penstock.artifacts.errors import BuildError
from penstock.artifacts.framework import DISTRIBUTION
from penstock.artifacts.lock import Lock, normalize
from penstock.artifacts.target import Target
from penstock.artifacts.uv import run_uv
from penstock.project.config import FILE, ArtifactConfig, Config, read

_IN_THE_RUNTIME: Final = "boto3"
"""Lambda's runtimes for Python have it, and what only it needs."""
_NO_WHEEL: Final = re.compile(r"([\w.-]+)(?:\{[^}]*\})?==(\S+) has no (?:usable )?wheels")
_NAME: Final = re.compile(r"\s*([A-Za-z0-9][\w.-]*)")
_CACHE: Final = ".dependencies"
_FORMAT: Final = 1
"""Changes when what is installed from the same input changes."""


@dataclass(frozen=True)
class Requirements:
    """What an artifact requires.

    Attributes:
        lines: requirements, as in a requirements.txt.
        extras: the extras of the service's own pyproject.toml, if the service is the framework's own repository.
        own: whether it is, so that the framework's requirements are those of pyproject.toml.
        folders: requirements that are folders of this machine, which have no wheel.
    """

    lines: tuple[str, ...]
    extras: tuple[str, ...]
    own: bool
    folders: tuple[str, ...] = ()


def find_requirements(config: Config, artifact: ArtifactConfig, lock: Lock) -> Requirements:
    """Return what an artifact requires: Penstock with its extras, the project's dependencies, and its own.

    Raises:
        BuildError: the lock file does not have one of them.
    """
    project = read(config.folder).get("project", {})
    if normalize(project.get("name", "")) == DISTRIBUTION:
        return Requirements(artifact.dependencies, artifact.extras, own=True)
    extras = f"[{','.join(artifact.extras)}]" if artifact.extras else ""
    general = [line for line in project.get("dependencies", ()) if _name(line) != DISTRIBUTION]
    required = [f"{DISTRIBUTION}{extras}", *general, *artifact.dependencies]
    # One with a marker may be for other machines alone.
    missing = [line for line in required if ";" not in line and _name(line) not in {*lock.pins, *lock.folders}]
    if missing:
        raise BuildError(
            f"{lock.file} does not have {', '.join(missing)}: add this to the project, and lock again"
        )
    if DISTRIBUTION in lock.folders:
        raise BuildError(f"{lock.file} takes {DISTRIBUTION} from a folder: build its wheel, and lock that")
    folders = [line for line in required if _name(line) in lock.folders]
    wheels = [line for line in required if line not in folders]
    return Requirements(tuple(wheels), (), own=False, folders=tuple(folders))


def install(config: Config, requirements: Requirements, lock: Lock, target: Target, python: Path | None) -> Path:
    """Return a folder with the dependencies, installed once for the same lock, requirements and target.

    Args:
        config: the service.
        requirements: what the artifact requires.
        lock: the lock file.
        target: the machine to install for.
        python: the interpreter that compiles them; None for no bytecode.

    Raises:
        BuildError: uv cannot install them; the message names the distribution without a wheel, if that is why.
    """
    project = read(config.folder).get("project") if requirements.own else None
    parts = [
        _FORMAT,
        lock.constraints,
        requirements.lines,
        requirements.extras,
        project,
        str(target),
        bool(python),
    ]
    folder = config.build_folder / _CACHE / hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        _install(config, requirements, lock, target, draft)
        _refuse_unpinned(draft, lock)
        if python:
            compile_folder(python, draft)
        draft.rename(folder)
    return folder


def installed(folder: Path) -> Iterator[str]:
    """Yield the normalized names of the distributions in a folder."""
    for metadata in sorted(folder.glob("*.dist-info")):
        yield normalize(metadata.name.removesuffix(".dist-info").rpartition("-")[0])


def _install(config: Config, requirements: Requirements, lock: Lock, target: Target, folder: Path) -> None:
    """Let uv resolve the requirements under the constraints of the lock, with its hashes, to wheels only."""
    folder.mkdir(parents=True)
    constraints = _write(folder.with_suffix(".constraints.txt"), [lock.constraints])
    required = _write(folder.with_suffix(".requirements.txt"), requirements.lines)
    left_out = [] if any(_name(line) == _IN_THE_RUNTIME for line in requirements.lines) else [_IN_THE_RUNTIME]
    overrides = _write(
        folder.with_suffix(".overrides.txt"), [f'{name} ; python_version < "0"' for name in left_out]
    )
    arguments = ["pip", "install", "--only-binary", ":all:", "--link-mode", "copy", "--no-python-downloads"]
    arguments += [*target.options(), "--target", str(folder), "--quiet", "--requirements", str(required)]
    arguments += ["--constraints", str(constraints), "--overrides", str(overrides)]
    if requirements.own:
        arguments += ["--requirements", FILE, *(word for one in requirements.extras for word in ("--extra", one))]
    done = run_uv(config.folder, arguments)
    for file in (constraints, required, overrides):
        file.unlink()
    if done.returncode:
        raise _explain(done.stderr.strip(), lock, target)


def _explain(output: str, lock: Lock, target: Target) -> BuildError:
    if without := _NO_WHEEL.search(" ".join(output.split())):
        return BuildError(
            f"{without[1]} {without[2]} has no wheel for {target}: lock a version that has one, "
            f"or choose another runtime or architecture\n{output}"
        )
    return BuildError(f"the dependencies in {lock.file} cannot be installed for {target}: {output}")


def _refuse_unpinned(folder: Path, lock: Lock) -> None:
    """Check that the lock file pins each installed distribution: the others are in any version.

    Raises:
        BuildError: it does not.
    """
    unpinned = sorted({*installed(folder)} - lock.pins.keys())
    if unpinned:
        raise BuildError(
            f"{lock.file} does not pin {', '.join(unpinned)}, which the artifact needs: add NAME==VERSION for "
            "each of them (`uv pip compile` writes such a file)"
        )


def _write(file: Path, lines: Iterable[str]) -> Path:
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return file


def _name(requirement: str) -> str:
    found = _NAME.match(requirement)
    return normalize(found[1]) if found else requirement
