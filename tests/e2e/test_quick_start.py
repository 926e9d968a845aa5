"""The quick start, word for word, in an empty folder outside the checkout, from the wheel."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from penstock.local.processes import wait_until
from tests.support.packaging import need_node
from tests.support.project import ROOT
from tests.support.snippets import Snippet, snippets

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

UV = ROOT / ".tools" / "environment" / "bin"
PAGE = [one for one in snippets("console", "python", "text") if one.page == "docs/quick-start.md"]
COMMANDS = [
    line.removeprefix("$ ")
    for one in PAGE
    if one.language == "console"
    for line in one.code.replace("\\\n", " ").splitlines()
]
NEEDS_AWS = "npx osls deploy --stage dev"
SECONDS = 60


class Reader:
    """Somebody who types what the page says."""

    def __init__(self, folder: Path, wheels: Path) -> None:
        self.folder = folder
        self._environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PENSTOCK_", "PYTEST", "AWS_"))
        } | {
            "PATH": f"{UV}:{os.environ['PATH']}",
            "UV_FIND_LINKS": str(wheels),
            # The Python that the installed local AWS has.
            "UV_PYTHON": sys.executable,
            "VIRTUAL_ENV": "",
        }

    def type(self, command: str) -> str:
        """Run a command of the page; return what it prints."""
        if command.startswith("cd "):
            self.folder /= command.removeprefix("cd ")
            # Only to save the time of its installation.
            (self.folder / ".penstock").mkdir()
            (self.folder / ".penstock" / "aws-environment").symlink_to(ROOT / ".penstock" / "aws-environment")
            return ""
        done = self._run(command)
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout + done.stderr

    def sees(self, command: str, text: str) -> bool:
        """Return whether a command prints a text before long."""
        return wait_until(lambda: text in self._run(command).stdout, SECONDS)

    def _run(self, command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )

    def edits(self, snippet: Snippet) -> None:
        """Do with a block of code what the text around it says."""
        if snippet.file:
            (self.folder / snippet.file).write_text(snippet.code)
            return
        is_field = snippet.code.startswith("language:")
        path = "shared/intents.py" if is_field else "consumer/tables.py"
        before = "    duration_ms:" if is_field else '    Column("duration_ms"'
        lines = (self.folder / path).read_text().splitlines(keepends=True)
        at = next(number for number, line in enumerate(lines) if line.startswith(before))
        lines.insert(at + 1, f"    {snippet.code}")
        (self.folder / path).write_text("".join(lines))


def build_new_release(source: Path, wheels: Path) -> None:
    """Build a wheel of this checkout with a version of its own: uv may have cached another wheel of the same."""
    shutil.copytree(ROOT / "penstock", source / "penstock", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    text = (ROOT / "pyproject.toml").read_text()
    own = re.sub(r'^version = "(.+)"$', rf'version = "\1.post{time.time_ns()}"', text, count=1, flags=re.MULTILINE)
    assert own != text
    (source / "pyproject.toml").write_text(own)
    subprocess.run([UV / "uv", "build", "--quiet", "--wheel", "--out-dir", wheels], cwd=source, check=True)


@pytest.fixture
def reader(tmp_path: Path) -> Iterator[Reader]:
    """A reader in an empty folder, for whom the wheel of this checkout is published."""
    need_node()
    wheels = tmp_path / "dist"
    build_new_release(tmp_path / "release", wheels)
    (tmp_path / "desk").mkdir()
    reader = Reader(tmp_path / "desk", wheels)
    yield reader
    reader.type("uv run penstock local reset")


def test_the_quick_start(reader: Reader) -> None:
    """A service is made, runs, writes the row of a request, passes its tests, and a change of it goes live."""
    typed = iter(COMMANDS)
    init, enter, sync, up, row, test = (next(typed) for _ in range(6))
    for command in (init, enter, sync):
        reader.type(command)
    answer = reader.type(printed_request(reader.type(up)))
    assert answer.startswith("HTTP/1.1 202")
    assert reader.sees(row, "2026-11-20 10:00:00+00")
    assert "4 passed" in reader.type(test)

    for snippet in PAGE:
        if snippet.language != "console":
            reader.edits(snippet)
    again, row = next(typed), next(typed)
    request = printed_request(reader.type(again))
    answer = reader.type(request.replace('{"path"', '{"language": "fi", "path"'))
    assert answer.startswith("HTTP/1.1 202")
    assert reader.sees(row, "fi")

    for command in iter(typed.__next__, NEEDS_AWS):
        reader.type(command)
    assert "as this version would make it" in reader.type("uv run penstock init --update")


def printed_request(output: str) -> str:
    """Return the command after `Try:`."""
    return output.rpartition("Try:\n")[2].strip()
