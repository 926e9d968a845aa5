"""Lock files of each kind, and what is wrong with them."""

import stat
import sys
from pathlib import Path

import pytest

from penstock.artifacts.errors import BuildError
from penstock.artifacts.lock import read_lock
from penstock.project.config import Config

FAKE_POETRY = """#!/bin/sh
[ "$1 $2 $3" = "export --format requirements.txt" ] || exit 9
{0}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a service without dependencies."""
    (tmp_path / "pyproject.toml").write_text("[tool.penstock]\n")
    return tmp_path


def pins(folder: Path) -> dict[str, tuple[str, ...]]:
    return dict(read_lock(Config.find(folder)).pins)


def test_requirements(folder: Path) -> None:
    """Comments, options, hashes, included files, extras, markers, addresses and wheels in folders are read."""
    (folder / "requirements.txt").write_text(
        "--index-url https://example.invalid/simple\n# all\n-r inner/more.txt\n-e .\n"
        "Alpha_Beta[x,y] == 1.0 \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb  # via x\n"
        "gamma==2 ; python_version < '3.12'\ngamma==3 ; python_version >= '3.12'\n"
        "./wheels/delta_d-1.0-py3-none-any.whl --hash=sha256:cc\n"
        "eps @ https://example.invalid/eps-1.0-py3-none-any.whl\nzeta>=4\n"
    )
    (folder / "inner").mkdir()
    (folder / "inner" / "more.txt").write_text("eta==5\n")
    assert pins(folder) == {
        "alpha-beta": ("Alpha_Beta[x,y] == 1.0 --hash=sha256:aa --hash=sha256:bb",),
        "gamma": ("gamma==2 ; python_version < '3.12'", "gamma==3 ; python_version >= '3.12'"),
        "delta-d": (f"delta_d @ {folder.as_uri()}/wheels/delta_d-1.0-py3-none-any.whl --hash=sha256:cc",),
        "eps": ("eps @ https://example.invalid/eps-1.0-py3-none-any.whl",),
        "eta": ("eta==5",),
    }


def test_a_missing_included_file(folder: Path) -> None:
    """A file that requirements.txt includes and that does not exist is named with the line."""
    (folder / "requirements.txt").write_text("-r more.txt\n")
    with pytest.raises(BuildError, match=r"no file .*more\.txt, which .*requirements\.txt includes"):
        pins(folder)


def test_pylock(folder: Path) -> None:
    """A pylock.toml pins versions, archives and commits, with hashes and markers; folders are known as such."""
    (folder / "pylock.toml").write_text(
        'lock-version = "1.0"\n'
        '[[packages]]\nname = "Alpha"\nversion = "1"\nmarker = "os_name == \'posix\'"\n'
        'sdist = {url = "u", hashes = {sha256 = "bb"}}\nwheels = [{url = "v", hashes = {sha256 = "aa"}}]\n'
        '[[packages]]\nname = "beta"\narchive = {path = "b-1-py3-none-any.whl", hashes = {sha256 = "cc"}}\n'
        '[[packages]]\nname = "gamma"\nvcs = {type = "git", url = "https://example.invalid/g", commit-id = "12"}\n'
        '[[packages]]\nname = "delta"\ndirectory = {path = "."}\n'
    )
    assert pins(folder) == {
        "alpha": ("Alpha==1 ; os_name == 'posix' --hash=sha256:aa --hash=sha256:bb",),
        "beta": (f"beta @ {folder.as_uri()}/b-1-py3-none-any.whl --hash=sha256:cc",),
        "gamma": ("gamma @ git+https://example.invalid/g@12",),
    }
    assert read_lock(Config.find(folder)).folders == {"delta"}


@pytest.mark.parametrize(
    ("name", "text"), [("pylock.toml", "a = ["), ("pylock.toml", "a = 1"), ("uv.lock", "a = [")]
)
def test_a_broken_lock(folder: Path, name: str, text: str) -> None:
    """A lock file that cannot be read is named."""
    (folder / name).write_text(text)
    with pytest.raises(BuildError, match=name.replace(".", r"\.")):
        pins(folder)


def test_no_lock(folder: Path) -> None:
    """A service without a lock file is told which ones there are; one with a missing file which it is."""
    with pytest.raises(
        BuildError, match=r"no lock file \(uv\.lock, poetry\.lock, pylock\.toml, requirements\.txt\)"
    ):
        pins(folder)
    (folder / "pyproject.toml").write_text('[tool.penstock.build]\nlock = "locks/prod.txt"\n')
    with pytest.raises(BuildError, match=r"no lock file .*locks/prod\.txt, which tool\.penstock\.build\.lock"):
        pins(folder)
    (folder / "locks").mkdir()
    (folder / "locks" / "prod.txt").write_text("alpha==1\n")
    assert pins(folder) == {"alpha": ("alpha==1",)}


def test_poetry(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What poetry exports is read; without poetry or its plugin the error says what to install."""
    (folder / "poetry.lock").touch()
    programs = folder / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(BuildError, match="pipx install poetry"):
        pins(folder)
    poetry = programs / "poetry"
    for script, outcome in (
        ("echo; echo 'The requested command export does not exist.' >&2; exit 1", "poetry-plugin-export"),
        ("echo 'pyproject.toml changed significantly since poetry.lock' >&2; exit 1", "changed significantly"),
    ):
        poetry.write_text(FAKE_POETRY.format(script))
        poetry.chmod(poetry.stat().st_mode | stat.S_IXUSR)
        with pytest.raises(BuildError, match=outcome):
            pins(folder)
    poetry.write_text(FAKE_POETRY.format("echo \"alpha==1 ; python_version >= '3.11' --hash=sha256:aa\""))
    assert pins(folder) == {"alpha": ("alpha==1 ; python_version >= '3.11' --hash=sha256:aa",)}


def test_no_uv(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without uv the error says how to install it."""
    (folder / "uv.lock").touch()
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    with pytest.raises(BuildError, match="pip install uv"):
        pins(folder)
