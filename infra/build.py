"""Build the artifacts: `python infra/build.py --stage STAGE` writes `build/STAGE/{producer,consumer,migrate}.zip`.

Each artifact contains only what its functions need, in the versions of the lock file: a producer gets neither
SQLAlchemy nor psycopg nor the part of the framework that uses them. boto3 is left out, because the Lambda runtime
has it. The stage `local` is built for this machine, every other stage for the runtime and architecture in
serverless.yml. The same input gives the same bytes.
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
from contextlib import contextmanager
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
# The earliest time that a zip file can store. With the real time, each build would have other bytes.
TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)


class BuildError(Exception):
    """An artifact cannot be built; the message says why."""


@dataclass(frozen=True)
class Contents:
    """The contents of an artifact.

    Attributes:
        folders: folders of this repository.
        extras: extras of the distribution, whose dependencies are included.
        excluded: files and folders inside them that are left out.
    """

    folders: tuple[str, ...]
    extras: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ("penstock/database/migrations", "penstock/database/migrate.py")


COMMON: Final = ("penstock/expressions", "penstock/intents", "penstock/producer", "penstock/queue", "shared")
PRODUCER: Final = Contents(("producer", *COMMON))
# The consumer's side includes penstock/producer for its HTTP conventions: the status of a write is an API too.
CONSUMER: Final = Contents(
    ("consumer", "penstock/consumer", "penstock/database", "penstock/deadletters", "penstock/functions", *COMMON),
    extras=("consumer",),
)
# The only artifact with Alembic, and with the migrations of the framework and of the service.
MIGRATOR: Final = replace(
    CONSUMER, folders=("infra/migrations", *CONSUMER.folders), extras=("migrate",), excluded=()
)
ARTIFACTS: Final = {"producer": PRODUCER, "consumer": CONSUMER, "migrate": MIGRATOR}


@dataclass(frozen=True)
class Target:
    """The machine that an artifact runs on.

    Attributes:
        python: its version of Python.
        platform: its platform, as uv names it; None for this machine.
    """

    python: str
    platform: str | None

    def options(self) -> list[str]:
        """Return the options with which uv selects wheels for the target."""
        options = ["--python", sys.executable]
        if self.platform:
            options += ["--python-version", self.python, "--python-platform", self.platform]
        return options


def main() -> int:
    """Build the artifacts of the stage in the command line; return the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--stage", required=True, help="the stage to deploy, e.g. dev")
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
        stage: The name of the stage, as in `osls deploy --stage`.

    Returns:
        The artifacts that changed, each with its size.

    Raises:
        BuildError: A tool is missing, or has failed.
    """
    service = yaml.safe_load((ROOT / "serverless.yml").read_text())
    target = _target(service, stage)
    built = []
    with _build_folder(stage) as folder:
        for name, contents in ARTIFACTS.items():
            dependencies = _install_dependencies(contents.extras, target)
            artifact = folder / f"{name}.zip"
            if _write_if_changed(artifact, _select_files(contents, dependencies)):
                built.append(f"{name} ({artifact.stat().st_size / 1e6:.1f} MB)")
    return built


@contextmanager
def _build_folder(stage: str) -> Iterator[Path]:
    """Give the folder of a stage's artifacts; two builds never run at once."""
    folder = ROOT / "build" / stage
    folder.mkdir(parents=True, exist_ok=True)
    with (ROOT / "build" / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield folder


def _target(service: dict[str, dict[str, dict[str, str]]], stage: str) -> Target:
    if stage == LOCAL:
        return Target(platform.python_version(), None)
    architecture = service["params"]["default"]["architecture"]
    return Target(str(service["provider"]["runtime"]).removeprefix("python"), WHEEL_PLATFORMS[architecture])


def _select_files(contents: Contents, dependencies: Path) -> dict[str, Path]:
    """Return the files of an artifact by their path inside it."""
    files = {str(path.relative_to(dependencies)): path for path in _needed_files(dependencies)}
    package = [path for path in (ROOT / "penstock").iterdir() if path.is_file()]
    inner = [path for folder in contents.folders for path in _needed_files(ROOT / folder)]
    own = {str(path.relative_to(ROOT)): path for path in [*package, *inner]}
    return files | {name: path for name, path in own.items() if not name.startswith(contents.excluded)}


def _needed_files(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.rglob("*")):
        inside = path.relative_to(folder)
        if path.is_file() and not UNNEEDED_FOLDERS.intersection(inside.parts) and path.name not in UNNEEDED_FILES:
            yield path


def _write_if_changed(artifact: Path, files: dict[str, Path]) -> bool:
    """Write an artifact unless it was built from the same files; return whether it was written."""
    digest = hashlib.sha256()
    for name, path in sorted(files.items()):
        digest.update(json.dumps([name, path.stat().st_size]).encode() + path.read_bytes())
    digest_file = artifact.with_suffix(".sha256")
    if artifact.exists() and digest_file.exists() and digest_file.read_text() == digest.hexdigest():
        return False
    draft = artifact.with_suffix(".draft")
    _zip(draft, files)
    draft.rename(artifact)
    digest_file.write_text(digest.hexdigest())
    return True


def _zip(archive: Path, files: dict[str, Path]) -> None:
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        for name, path in sorted(files.items()):
            entry = zipfile.ZipInfo(name, TIMESTAMP)
            entry.external_attr = 0o644 << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(entry, path.read_bytes())


def _install_dependencies(extras: tuple[str, ...], target: Target) -> Path:
    """Return a folder with the locked dependencies, installed once for each lock file, extras and target."""
    lock = (ROOT / "uv.lock").read_bytes()
    key = hashlib.sha256(lock + repr((extras, target)).encode()).hexdigest()[:16]
    folder = ROOT / "build" / ".dependencies" / key
    if not folder.exists():
        draft = folder.with_suffix(".draft")
        shutil.rmtree(draft, ignore_errors=True)
        _install_locked(extras, target, draft)
        draft.rename(folder)
    return folder


def _install_locked(extras: tuple[str, ...], target: Target, folder: Path) -> None:
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
    message = "uv is missing (https://docs.astral.sh/uv/): put it on the PATH, or run `make install`"
    raise BuildError(message)


if __name__ == "__main__":
    sys.exit(main())
