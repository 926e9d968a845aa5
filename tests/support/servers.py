"""Another server than the embedded one: Debian's PostgreSQL 15 (with contrib and ICU).

Where a package is not installed, a test that needs it skips and names the package; with CI set it fails.
"""

import os
import secrets
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest

from penstock.local.processes import LOOPBACK, free_port
from tests.support.folders import server_folder
from tests.support.tls import Certificates

_POSTGRES_15 = Path("/usr/lib/postgresql/15/bin")
_START_SECONDS = 30
_NOBODY = "nobody"


def needs(program: Path | str, package: str) -> Path:
    """Return the path of a program of a Debian package, or skip the test; with CI set, fail it."""
    found = shutil.which(str(program)) or shutil.which(f"/usr/sbin/{program}")
    if found is None:
        why = f"needs the Debian package {package} (apt-get install {package})"
        if os.environ.get("CI"):
            pytest.fail(why)
        pytest.skip(why)
    return Path(found)


@contextmanager
def postgres_15(
    *, encoding: str = "UTF8", settings: Mapping[str, str] | None = None, tls: Certificates | None = None
) -> Iterator[str]:
    """Run a PostgreSQL 15 of Debian's; give the URL of its database `postgres`, as superuser.

    Args:
        encoding: the encoding of its databases.
        settings: server settings by name.
        tls: the server's certificate; without it the server has no TLS. The embedded Postgres is built without it.
    """
    initdb = needs(_POSTGRES_15 / "initdb", "postgresql-15")
    with nobodys_folder() as folder:
        password = secrets.token_hex(16)
        (folder / "password").write_text(password)
        data, port = folder / "data", free_port()
        locale = "C.UTF-8" if encoding == "UTF8" else "C"
        words: list[Path | str] = [
            "-D",
            data,
            "-U",
            "postgres",
            "--no-sync",
            f"--encoding={encoding}",
            f"--locale={locale}",
        ]
        _run(folder, initdb, *words, "--auth=scram-sha-256", f"--pwfile={folder / 'password'}")
        options = {"listen_addresses": LOOPBACK, "port": str(port), "unix_socket_directories": "", "fsync": "off"}
        if tls:
            options |= {"ssl": "on"} | _copied(tls, data)
        lines = [f"{name} = '{value}'\n" for name, value in (options | dict(settings or {})).items()]
        (data / "postgresql.conf").write_text("".join(lines))
        pg_ctl = _POSTGRES_15 / "pg_ctl"
        _run(folder, pg_ctl, "start", "-w", f"-t{_START_SECONDS}", "-D", data, "-l", folder / "log")
        try:
            yield f"postgresql://postgres:{password}@{LOOPBACK}:{port}/postgres"
        finally:
            _run(folder, pg_ctl, "stop", "-m", "immediate", "-D", data)


def _copied(tls: Certificates, data: Path) -> dict[str, str]:
    """Copy the server's certificate and key into its folder, where they are its own, as Postgres demands."""
    for file in (tls.certificate, tls.key):
        give_to_nobody(Path(shutil.copy(file, data)))
        (data / file.name).chmod(0o600)
    return {"ssl_cert_file": tls.certificate.name, "ssl_key_file": tls.key.name}


@contextmanager
def nobodys_folder() -> Iterator[Path]:
    """Make a folder that an unprivileged user may use, as Postgres and PgBouncer refuse to run as root."""
    folder = server_folder()
    give_to_nobody(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def give_to_nobody(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, _NOBODY)


def unprivileged() -> list[str]:
    return ["setpriv", f"--reuid={_NOBODY}", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def _run(folder: Path, *words: Path | str) -> None:
    done = subprocess.run(
        [*unprivileged(), *map(str, words)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words[0]}: {done.stdout}{done.stderr}"
