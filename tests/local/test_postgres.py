"""The embedded Postgres: it starts after any kind of crash, and leaves the processes of others alone."""

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest

from penstock.local.errors import StartError
from penstock.local.postgres import Postgres
from penstock.local.processes import is_alive, wait_until


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Postgres]:
    """A server in a folder whose path is too long for a unix socket and has a space and a quote in it."""
    server = Postgres(tmp_path / ("deep" * 30) / "it's here", settings={"fsync": "off", "max_connections": "17"})
    server.start()
    yield server
    server.stop()


def answers(server: Postgres) -> bool:
    with psycopg.connect(server.url(), connect_timeout=5) as connection:
        return connection.execute("SELECT 1").fetchone() == (1,)


def postmaster(server: Postgres) -> psutil.Process:
    return psutil.Process(int((server.data / "postmaster.pid").read_text().split()[0]))


def test_settings(server: Postgres) -> None:
    """The server has the given settings, and listens on loopback only."""
    with psycopg.connect(server.url()) as connection:
        names = ("max_connections", "fsync", "listen_addresses", "unix_socket_directories")
        values = [connection.execute("SELECT current_setting(%s)", [name]).fetchone() for name in names]
    assert values == [("17",), ("off",), ("127.0.0.1",), ("",)]


def test_password(server: Postgres) -> None:
    """A connection without the password is refused."""
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(f"postgresql://postgres@127.0.0.1:{server.port}/postgres").close()


def test_start_twice(server: Postgres) -> None:
    """A second start does not restart the running server."""
    before = postmaster(server)
    server.start()
    assert postmaster(server) == before


def test_another_object(server: Postgres) -> None:
    """A second object for the same folder finds the running server and can stop it."""
    other = Postgres(server.folder)
    assert other.running
    other.stop()
    assert not server.running


def test_restart_keeps_data_and_port(server: Postgres) -> None:
    """Committed data and the URL are the same after a stop and a start."""
    with psycopg.connect(server.url()) as connection:
        connection.execute("CREATE TABLE kept (x int)")
    url = server.url()
    server.stop()
    server.start()
    assert server.url() == url
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


def test_kill(server: Postgres) -> None:
    """A kill ends the server and its children, and the next start works."""
    members = [postmaster(server), *postmaster(server).children(recursive=True)]
    server.kill()
    assert not server.running
    assert not [member for member in members if is_alive(member)]
    server.start()
    assert answers(server)


def test_postmaster_killed(server: Postgres) -> None:
    """A start works after only the postmaster was killed and its children were frozen."""
    main = postmaster(server)
    server.freeze()
    main.kill()
    wait_until(lambda: not is_alive(main), 10)
    server.start()
    assert answers(server)


def test_deleted_folder(server: Postgres) -> None:
    """A start after its folder was deleted works, and the old server is stopped."""
    main = postmaster(server)
    shutil.rmtree(server.folder)
    server.start()
    assert answers(server)
    assert not is_alive(main)


def test_freeze(server: Postgres) -> None:
    """A frozen server is running and does not answer; after a thaw it answers again."""
    server.freeze()
    assert server.running
    with pytest.raises(psycopg.OperationalError, match="timeout"):
        psycopg.connect(server.url(), connect_timeout=2).close()
    server.thaw()
    assert answers(server)


def test_frozen_stop(server: Postgres) -> None:
    """A frozen server can be stopped."""
    server.freeze()
    server.stop()
    assert not server.running


def test_stale_pid_of_another_process(server: Postgres) -> None:
    """A stale pid file that names another process does not prevent a start, and that process is not killed."""
    server.stop()
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as foreign:
        (server.data / "postmaster.pid").write_text(f"{foreign.pid}\n")
        assert not server.running
        server.kill()
        server.start()
        assert answers(server)
        assert foreign.poll() is None
        foreign.communicate(b"\n")


def test_port_taken(server: Postgres) -> None:
    """A start uses another port if the last one is taken."""
    server.stop()
    port = server.port
    with socket.socket() as taker:
        taker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taker.bind(("127.0.0.1", port))
        taker.listen()
        server.start()
    assert server.port != port
    assert answers(server)


def test_interrupted_creation(tmp_path: Path) -> None:
    """A data folder that was only partly created is created again."""
    draft = tmp_path / "data.draft"
    draft.mkdir()
    (draft / "PG_VERSION").write_text("18")
    server = Postgres(tmp_path)
    server.start()
    assert answers(server)
    server.stop()


def test_never_started(tmp_path: Path) -> None:
    """A server that was never started has no URL, and asking for it is an error."""
    server = Postgres(tmp_path)
    assert not server.running
    server.stop()
    with pytest.raises(StartError, match="never been started"):
        server.url()


def test_impossible_setting(tmp_path: Path) -> None:
    """The error of a server that cannot start has the end of its log."""
    server = Postgres(tmp_path, settings={"max_connections": "none"})
    with pytest.raises(StartError, match="max_connections"):
        server.start()


def test_not_world_readable(server: Postgres) -> None:
    """Only the owner can read the password file."""
    assert (server.folder / "password").stat().st_mode & 0o077 == 0
    assert (server.folder / "password").stat().st_uid == os.geteuid()
