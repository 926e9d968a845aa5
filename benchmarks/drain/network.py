"""A longer way to Postgres: a TCP proxy that adds the same time to every round trip.

It is a process of its own, so that it does not wait for the interpreter lock of the contender that is timed. It
has threads that sleep, because the timers of an event loop are rounded up to whole milliseconds. Requests pass at
once, and answers are held back for the whole time of a trip: only the sum counts for who waits for an answer. Like
a network, it holds back everything that is on its way at the same time, not one chunk after the other. Its own
work adds about 0.2 ms to a trip.
"""

import queue
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from penstock.local.processes import LOOPBACK

_CHUNK_BYTES = 65_536


@contextmanager
def longer_trips(url: str, seconds: float) -> Iterator[str]:
    """Run a proxy before a database server; give the URL of the same database through it.

    Args:
        url: the URL of the database, with host and port.
        seconds: what is added to each round trip.
    """
    server = urlsplit(url)
    command = [
        sys.executable,
        "-m",
        "benchmarks.drain.network",
        str(server.hostname),
        str(server.port),
        str(seconds),
    ]
    project = Path(__file__).parents[2]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=project) as proxy:
        try:
            assert proxy.stdout is not None
            port = int(proxy.stdout.readline())
            yield urlunsplit(server._replace(netloc=f"{server.netloc.rpartition('@')[0]}@{LOOPBACK}:{port}"))
        finally:
            proxy.terminate()


def main(host: str, port: str, seconds: str) -> None:
    """Print the port of the proxy, and serve until the process is ended."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        print(listener.getsockname()[1], flush=True)
        while True:
            client, _ = listener.accept()
            server = socket.create_connection((host, int(port)))
            _serve(client, server, float(seconds))


def _serve(client: socket.socket, server: socket.socket, seconds: float) -> None:
    on_the_way: queue.SimpleQueue[tuple[float, bytes]] = queue.SimpleQueue()
    for end in (client, server):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for work, given in (
        (_pass_on, (client, server)),
        (_hold_back, (server, on_the_way, seconds)),
        (_release, (on_the_way, client)),
    ):
        threading.Thread(target=work, args=given, daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    """Pass on requests, and at last their end."""
    with suppress(OSError):
        while chunk := source.recv(_CHUNK_BYTES):
            target.sendall(chunk)
        target.shutdown(socket.SHUT_WR)


def _hold_back(server: socket.socket, on_the_way: queue.SimpleQueue[tuple[float, bytes]], seconds: float) -> None:
    """Read answers, and at last their end, with the time at which they may go on."""
    chunk = b"begin"
    while chunk:
        try:
            chunk = server.recv(_CHUNK_BYTES)
        except OSError:
            chunk = b""
        on_the_way.put((time.monotonic() + seconds, chunk))


def _release(on_the_way: queue.SimpleQueue[tuple[float, bytes]], client: socket.socket) -> None:
    with suppress(OSError), client:
        while True:
            due, chunk = on_the_way.get()
            time.sleep(max(0, due - time.monotonic()))
            if not chunk:
                return
            client.sendall(chunk)


if __name__ == "__main__":
    main(*sys.argv[1:])
