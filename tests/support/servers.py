"""Other servers than the embedded one: Debian's PostgreSQL 15 (with contrib and ICU), and PgBouncer.

Where a package is not installed, a test that needs it skips and names the package; with CI set it fails.
"""

import os
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
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
    with _folder() as folder:
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


@contextmanager
def pgbouncer(url: str, *, pool_size: int = 2, **settings: str) -> Iterator[str]:
    """Run a PgBouncer in transaction mode before a server; give the URL of the same database through it.

    Args:
        url: the server's database.
        pool_size: how many connections PgBouncer has to the server.
        settings: settings of the section [pgbouncer], by name.
    """
    program = needs("pgbouncer", "pgbouncer")
    server, port = urlsplit(url), free_port()
    name = server.path.removeprefix("/")
    target = f"host={server.hostname} port={server.port} dbname={name}"
    target += f" user={server.username} password={server.password}"
    options = {
        "listen_addr": LOOPBACK,
        "listen_port": str(port),
        "unix_socket_dir": "",
        "auth_type": "any",
        "pool_mode": "transaction",
        "default_pool_size": str(pool_size),
        "max_client_conn": "200",
        **settings,
    }
    with _folder() as folder:
        file = folder / "pgbouncer.ini"
        lines = [f"{key} = {value}\n" for key, value in options.items()]
        file.write_text(f"[databases]\n{name} = {target}\n[pgbouncer]\n{''.join(lines)}")
        _own(file)
        log = (folder / "log").open("wb")
        with log, subprocess.Popen([*_unprivileged(), program, file], stdout=log, stderr=log) as process:
            through = f"postgresql://{server.username}@{LOOPBACK}:{port}/{name}"
            try:
                _wait_for(through, folder / "log")
                yield through
            finally:
                process.terminate()


def _copied(tls: Certificates, data: Path) -> dict[str, str]:
    """Copy the server's certificate and key into its folder, where they are its own, as Postgres demands."""
    for file in (tls.certificate, tls.key):
        _own(Path(shutil.copy(file, data)))
        (data / file.name).chmod(0o600)
    return {"ssl_cert_file": tls.certificate.name, "ssl_key_file": tls.key.name}


@contextmanager
def _folder() -> Iterator[Path]:
    """Make a folder that an unprivileged user may use, as Postgres and PgBouncer refuse to run as root."""
    folder = server_folder()
    _own(folder)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        shutil.chown(path, _NOBODY)


def _unprivileged() -> list[str]:
    return ["setpriv", f"--reuid={_NOBODY}", "--regid=nogroup", "--clear-groups"] if os.geteuid() == 0 else []


def _run(folder: Path, *words: Path | str) -> None:
    done = subprocess.run(
        [*_unprivileged(), *map(str, words)], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, f"{words[0]}: {done.stdout}{done.stderr}"


def _wait_for(url: str, log: Path) -> None:
    end = time.monotonic() + _START_SECONDS
    while True:
        try:
            psycopg.connect(url, connect_timeout=5, prepare_threshold=None).close()
            return
        except psycopg.OperationalError:
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.02)
