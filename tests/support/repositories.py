"""Small repositories outside the checkout that use Penstock, and what is built from them."""

import subprocess
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from penstock.artifacts.build import Artifact, build
from penstock.project.config import Config
from tests.support.project import ROOT

UV = str(ROOT / ".tools" / "bin" / "uv")
HERE = "3.11"
"""The target's version of Python, for which this machine can make bytecode."""

PYPROJECT = f"""
[project]
name = "farm"
version = "1.0"
requires-python = ">=3.11"
dependencies = ["penstock-postgres[cli]", "annotated-doc"]
[dependency-groups]
dev = ["shellingham"]
[tool.uv.sources]
penstock-postgres = {{ path = "WHEEL" }}
[tool.penstock]
intents = ["meadow.intents"]
[tool.penstock.build]
python = "{HERE}"
architecture = "x86_64"
[tool.penstock.build.artifacts.producer]
include = ["app/api*.py", "meadow"]
"""
CONSUMER = """[tool.penstock.build.artifacts.consumer]
include = ["app", "meadow"]
extras = ["consumer"]
"""
FILES = {
    "app/__init__.py": "",
    "app/api.py": "import meadow.intents\n",
    "app/writes.py": "",
    "app/.env": "SECRET=1",
    "meadow/intents.py": "ONE = 1\n",
    "meadow/deep/data.json": "{}",
    "meadow/__pycache__/intents.cpython-311.pyc": "old",
}


@dataclass(frozen=True)
class Repository:
    """A repository with some files, and the wheel of this framework."""

    folder: Path

    @classmethod
    def make(cls, folder: Path, wheel: Path, dependencies: Path) -> "Repository":
        """Write the files; what it builds shares a folder of installed dependencies with others."""
        made = cls(folder)
        made.write("pyproject.toml", PYPROJECT.replace("WHEEL", str(wheel)))
        made.write("requirements.txt", requirements(wheel))
        for name, text in FILES.items():
            made.write(name, text)
        (folder / "build").mkdir()
        (folder / "build" / ".dependencies").symlink_to(dependencies)
        return made

    def write(self, name: str, text: str) -> Path:
        """Write a file of the repository."""
        file = self.folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def add(self, text: str) -> None:
        """Add tables to pyproject.toml."""
        self.write("pyproject.toml", (self.folder / "pyproject.toml").read_text() + text)

    def edit(self, name: str, old: str, new: str) -> None:
        """Replace a text in a file."""
        text = (self.folder / name).read_text()
        assert old in text
        self.write(name, text.replace(old, new))

    def build(self, stage: str = "dev") -> dict[str, Artifact]:
        """Build the artifacts of a stage."""
        return {one.plan.name: one for one in build(Config.find(self.folder), self.folder, stage)}

    def names(self, artifact: str, stage: str = "dev") -> set[str]:
        """Return the paths of the files in an artifact."""
        with zipfile.ZipFile(self.folder / "build" / stage / f"{artifact}.zip") as archive:
            return set(archive.namelist())

    def tops(self, artifact: str, stage: str = "dev") -> set[str]:
        """Return the files and folders at the top of an artifact."""
        return {name.split("/")[0] for name in self.names(artifact, stage)}


def build_wheel(folder: Path) -> Path:
    """Build the wheel of this framework in a folder."""
    subprocess.run([UV, "build", "--wheel", "--quiet", "--out-dir", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    return wheel


def requirements(wheel: Path) -> str:
    """Return a requirements.txt with hashes: the framework's wheel, and the versions of its own lock file."""
    return f"# All versions\n{wheel}\n{_locked_versions()}"


@cache
def _locked_versions() -> str:
    export = [UV, "export", "--frozen", "--extra", "cli", "--no-dev", "--no-emit-project", "--no-header"]
    return subprocess.run(export, cwd=ROOT, capture_output=True, text=True, check=True).stdout
