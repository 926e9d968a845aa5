"""Build one artifact per function: `python infra/build.py --stage STAGE` writes `build/STAGE/FUNCTION.zip`.

Each holds only what its function needs, from the lock file: a producer gets neither SQLAlchemy nor psycopg nor
the part of the framework that uses them. boto3 is the one that the Lambda runtime brings. The stage `local` is
built for this machine, every other one for what serverless.yml names. The same input gives the same bytes.
"""

import argparse
import fcntl
import hashlib
import json
import platform
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).resolve().parent.parent
LOCAL: Final = "local"
WHEEL_PLATFORMS: Final = {"arm64": "aarch64-manylinux_2_28", "x86_64": "x86_64-manylinux_2_28"}
UNNEEDED_FOLDERS: Final = {"__pycache__", "bin", "tests"}
UNNEEDED_FILES: Final = {".lock", "INSTALLER", "RECORD", "REQUESTED", "direct_url.json"}
# The earliest time that a zip can hold: a real one would make each build another file.
TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)


class BuildError(Exception):
    """An artifact cannot be built; the message says why."""


@dataclass(frozen=True)
class Contents:
    """What one kind of function carries: rooms of this repository, and extras of the distribution."""

    rooms: tuple[str, ...]
    extras: tuple[str, ...] = ()


BOTH: Final = ("penstock/expressions", "penstock/intents", "penstock/producer", "penstock/queue", "shared")
PRODUCER: Final = Contents(("producer", *BOTH))
# The status of a write is an API too, so that the consumer's side has the producer's HTTP conventions.
CONSUMER: Final = Contents(("consumer", "penstock/consumer", "penstock/database", *BOTH), extras=("consumer",))
OPERATOR: Final = replace(CONSUMER, rooms=("penstock/deadletters", *CONSUMER.rooms))
# Needs Alembic, and is run by the `penstock` command alone.
LEFT_OUT: Final = ("penstock/database/migrations", "penstock/database/migrate.py")


@dataclass(frozen=True)
class Target:
    """The machine that an artifact runs on."""

    python: str
    platform: str | None

    def options(self) -> list[str]:
        """Return what tells uv to take wheels for this machine."""
        options = ["--python", sys.executable]
        if self.platform:
            options += ["--python-version", self.python, "--python-platform", self.platform]
        return options


def main() -> int:
    """Build what the command line asks for; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stage", required=True, help="the stage that is going to be deployed, e.g. dev")
    stage = parser.parse_args().stage
    try:
        built = build(stage)
    except BuildError as error:
        sys.stderr.write(f"build: {error}\n")
        return 1
    sys.stderr.write(f"build/{stage}: {', '.join(built) or 'nothing changed'}\n")
    return 0


def build(stage: str) -> list[str]:
    """Build the artifacts of a stage.

    Args:
        stage: Its name, as in `osls deploy --stage`.

    Returns:
        The functions whose artifact changed, each with its size.

    Raises:
        BuildError: A tool is missing, or has failed.
    """
    service = yaml.safe_load((ROOT / "serverless.yml").read_text())
    folder = ROOT / "build" / stage
    folder.mkdir(parents=True, exist_ok=True)
    with (ROOT / "build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        return _build_all(service["functions"], _target(service, stage), folder)


def _build_all(functions: dict[str, dict[str, str]], target: Target, folder: Path) -> list[str]:
    built = []
    for name, function in functions.items():
        artifact = folder / f"{name}.zip"
        if _write_if_changed(artifact, _files(_contents(function["handler"]), target)):
            built.append(f"{name} ({artifact.stat().st_size / 1e6:.1f} MB)")
    return built


def _contents(handler: str) -> Contents:
    if handler.startswith("producer/"):
        return PRODUCER
    return OPERATOR if handler.startswith("consumer/dead_letters.") else CONSUMER


def _target(service: dict[str, dict[str, dict[str, str]]], stage: str) -> Target:
    if stage == LOCAL:
        return Target(platform.python_version(), None)
    architecture = service["params"]["default"]["architecture"]
    return Target(str(service["provider"]["runtime"]).removeprefix("python"), WHEEL_PLATFORMS[architecture])


def _files(contents: Contents, target: Target) -> dict[str, Path]:
    """Return the files of an artifact by their place in it."""
    dependencies = _dependencies(contents.extras, target)
    files = {str(path.relative_to(dependencies)): path for path in _needed(dependencies)}
    package = [path for path in (ROOT / "penstock").iterdir() if path.is_file()]
    rooms = [path for room in contents.rooms for path in _needed(ROOT / room)]
    own = {str(path.relative_to(ROOT)): path for path in [*package, *rooms]}
    return files | {name: path for name, path in own.items() if not name.startswith(LEFT_OUT)}


def _needed(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not UNNEEDED_FOLDERS.intersection(inside.parts) and path.name not in UNNEEDED_FILES:
            yield path


def _write_if_changed(artifact: Path, files: dict[str, Path]) -> bool:
    """Write an artifact unless it was made from the very same files; return whether it was written."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(json.dumps([name, path.stat().st_size]).encode() + path.read_bytes())
    mark = artifact.with_suffix(".sha256")
    if artifact.exists() and mark.exists() and mark.read_text() == digest.hexdigest():
        return False
    draft = artifact.with_suffix(".draft")
    _zip(draft, files)
    draft.rename(artifact)
    mark.write_text(digest.hexdigest())
    return True


def _zip(archive: Path, files: dict[str, Path]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, path.read_bytes())


def _dependencies(extras: tuple[str, ...], target: Target) -> Path:
    """Return a folder with the locked dependencies, installed once for each lock file, choice and target."""
    lock = (ROOT / "uv.lock").read_bytes()
    key = hashlib.sha256(lock + repr((extras, target)).encode()).hexdigest()[:16]
    folder = ROOT / "build" / ".dependencies" / key
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        _install(extras, target, draft)
        draft.rename(folder)
    return folder


def _install(extras: tuple[str, ...], target: Target, folder: Path) -> None:
    folder.mkdir(parents=True)
    requirements = folder.with_suffix(".txt")
    chosen = [option for extra in extras for option in ("--extra", extra)]
    export = ["export", "--frozen", "--no-dev", "--no-emit-project", "--prune", "boto3", "--no-header"]
    _uv(*export, *chosen, "--output-file", str(requirements))
    install = ["pip", "install", "--require-hashes", "--no-deps", "--only-binary", ":all:", "--link-mode", "copy"]
    _uv(*install, *target.options(), "--target", str(folder), "--requirements", str(requirements))


def _uv(*arguments: str) -> None:
    command = [*_find_uv(), *arguments, "--quiet"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        message = f"uv {arguments[0]} failed: {done.stderr.strip()}"
        raise BuildError(message)


def _find_uv() -> list[str]:
    own = ROOT / ".tools" / "bin" / "uv"
    if own.exists():
        return [str(own)]
    if on_path := shutil.which("uv"):
        return [on_path]
    if find_spec("uv"):
        return [sys.executable, "-m", "uv"]
    message = "uv is needed (https://docs.astral.sh/uv/): put it on the PATH, or `make install`"
    raise BuildError(message)


if __name__ == "__main__":
    sys.exit(main())
