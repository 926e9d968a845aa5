"""The lowest versions that pyproject.toml allows, on each supported Python that this machine has."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.project import ROOT

UV = ROOT / ".tools" / "bin" / "uv"
SMOKE = Path(__file__).with_name("smoke.py")
PYENV = Path(os.environ.get("PYENV_ROOT", "~/.pyenv")).expanduser()
OWN = f"{sys.version_info.major}.{sys.version_info.minor}"
OTHERS = [version for version in ("3.11", "3.12", "3.13", "3.14") if version != OWN]


def run(*words: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, check=False)


def interpreter_of(version: str) -> Path | None:
    """Return an interpreter of that version: this one, or one that pyenv or uv knows."""
    if version == OWN:
        return Path(sys.executable)
    installed = sorted(PYENV.glob(f"versions/{version}.*/bin/python"))
    found = run(UV, "python", "find", "--no-python-downloads", version)
    return installed[-1] if installed else Path(found.stdout.strip()) if found.returncode == 0 else None


@pytest.mark.timeout(600)
@pytest.mark.parametrize("version", [OWN, *(pytest.param(v, marks=pytest.mark.campaign) for v in OTHERS)])
def test_the_lowest_versions_install_and_drain(version: str) -> None:
    """The lowest allowed version of each dependency installs, and a request becomes a row with it."""
    interpreter = interpreter_of(version)
    if interpreter is None:
        pytest.skip(f"this machine has no Python {version}")
    # Not a folder of pytest's: as root, Postgres runs as another user, who may not read those.
    environment = ROOT / "build" / "lowest" / version
    made = run(UV, "venv", "--clear", "--python", interpreter, environment)
    assert made.returncode == 0, made.stderr
    python = environment / "bin" / "python"
    installed = run(UV, "pip", "install", "--resolution", "lowest-direct", "--python", python, f"{ROOT}[local]")
    assert installed.returncode == 0, installed.stderr
    done = run(python, "-W", "error", SMOKE)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"{version}.")
