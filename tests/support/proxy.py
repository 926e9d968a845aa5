"""A TCP proxy that cuts, freezes, delays and refuses connections, to put before a server.

It acts on connections, not on packets: a frozen proxy acknowledges what it gets, as the host of a stopped process
does. So keepalives and `tcp_user_timeout` notice nothing, and only a limit of the client's own ends the wait.
"""

import asyncio
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any
from urllib.parse import urlsplit, urlunsplit

from penstock.local.processes import LOOPBACK, wait_until

_CHUNK_BYTES = 65_536
_LINGER_ZERO = struct.pack("ii", 1, 0)
"""With this, a close sends RST, as a firewall or a crashed host does."""


@contextmanager
def tcp_proxy(host: str, port: int) -> Iterator["TcpProxy"]:
    """Run a proxy on loopback before a server; at the end of the block every connection is cut.

    Args:
        host: the server's host.
        port: the server's TCP port. Nothing needs to listen there.
    """
    proxy = TcpProxy(host, port)
    try:
        proxy.accept()
        yield proxy
    finally:
        proxy.close()


@contextmanager
def proxied(url: str) -> Iterator[tuple[str, "TcpProxy"]]:
    """Run a proxy before a database server; give the URL of the same database through it, and the proxy."""
    server = urlsplit(url)
    assert server.hostname
    assert server.port
    with tcp_proxy(server.hostname, server.port) as proxy:
        role = server.netloc.rpartition("@")[0]
        yield urlunsplit(server._replace(netloc=f"{role}@{LOOPBACK}:{proxy.port}")), proxy


class TcpProxy:
    """A proxy whose connections can be disturbed, from any thread. `tcp_proxy` makes one.

    Attributes:
        port: the port on loopback where it listens. It stays the same, also while it refuses.
        accepted: how many connections it has accepted.
        answered_bytes: how many bytes of the server's it has passed on.
        inspect: makes, for each connection, what is called with each chunk of the client's; if that returns False,
            the connection is cut.
    """

    def __init__(self, host: str, port: int) -> None:
        self._target = host, port
        # This socket never listens: it keeps the port while the proxy refuses.
        self._holder = _bound(0)
        self.port: int = self._holder.getsockname()[1]
        self._pairs: set[tuple[asyncio.StreamWriter, asyncio.StreamWriter]] = set()
        self.accepted = 0
        self.answered_bytes = 0
        self.inspect: Callable[[], Callable[[bytes], bool]] = lambda: lambda _: True
        self._cut_at_bytes: int | None = None
        self._delay_seconds = 0.0
        self._server: asyncio.Server | None = None
        self._loop = asyncio.new_event_loop()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="tcp-proxy", daemon=True)
        self._thread.start()

    @property
    def connections(self) -> int:
        """The number of open connections to the server."""
        return len(self._pairs)

    def cut(self) -> None:
        """Reset each connection, on both sides. What was on its way is lost. New connections are accepted."""
        self._do(self._cut())

    def cut_after(self, count: int) -> None:
        """Reset each connection once, before more than so many further bytes of the server's are passed on.

        Args:
            count: bytes of answers, of all connections together. At 0 the next answer is lost.
        """
        self._do(self._limit(count))

    def freeze(self) -> None:
        """Pass nothing on, in either direction. Connections stay open, and new ones get no answer."""
        self._do(self._set_flowing(False))

    def stall(self) -> None:
        """Freeze for good the connections that are open, as a network that forgot them does. New ones work."""
        self._do(self._stall())

    def thaw(self) -> None:
        """Pass on what has come in since `freeze`, and everything that follows."""
        self._do(self._set_flowing(True))

    def delay(self, seconds: float) -> None:
        """Pass everything on so much later, in each direction: a round trip takes twice as long. 0 ends that."""
        self._delay_seconds = seconds

    def refuse(self) -> None:
        """Refuse new connections; those that are open stay."""
        self._do(self._refuse())

    def accept(self) -> None:
        """Accept new connections again."""
        self._do(self._accept())

    def wait_for_connections(self, count: int, seconds: float = 10) -> None:
        """Wait until exactly so many connections are open; fail after so many seconds."""
        assert wait_until(lambda: self.connections == count, seconds), f"{self.connections} connections are open"

    def close(self) -> None:
        """Cut everything, and stop."""
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        self._holder.close()

    def _do(self, step: Any) -> None:
        asyncio.run_coroutine_threadsafe(step, self._loop).result(10)

    async def _cut(self) -> None:
        self._cut_all()

    def _cut_all(self) -> None:
        for writer in [writer for pair in self._pairs for writer in pair]:
            _reset(writer)
        self._pairs.clear()

    async def _limit(self, count: int) -> None:
        self._cut_at_bytes = self.answered_bytes + count

    async def _set_flowing(self, flowing: bool) -> None:
        if flowing:
            self._flowing.set()
        else:
            self._flowing.clear()

    async def _stall(self) -> None:
        self._flowing.clear()
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def _refuse(self) -> None:
        if self._server:
            self._server.close()
            self._server = None

    async def _accept(self) -> None:
        if self._server is None:
            self._server = await asyncio.start_server(self._connect, sock=_bound(self.port))

    async def _stop(self) -> None:
        await self._refuse()
        await self._cut()
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one client."""
        self.accepted += 1
        try:
            from_server, to_server = await asyncio.open_connection(*self._target)
        except OSError:
            _reset(writer)
            return
        pair = writer, to_server
        self._pairs.add(pair)
        try:
            with suppress(OSError, asyncio.CancelledError):
                requests = self._pass_on(reader, to_server, self.inspect())
                answers = self._pass_on(from_server, writer, self._is_within_limit)
                await asyncio.gather(requests, answers)
        finally:
            self._pairs.discard(pair)
            for one in pair:
                _reset(one)

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_allowed: Callable[[bytes], bool]
    ) -> None:
        """Pass on what one side sends, and at last its end."""
        flowing = self._flowing
        on_the_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(maxsize=1000)

        async def read() -> None:
            chunk = b"begin"
            while chunk:
                chunk = await reader.read(_CHUNK_BYTES)
                await on_the_way.put((self._loop.time() + self._delay_seconds, chunk))

        async def write() -> None:
            while True:
                due, chunk = await on_the_way.get()
                await asyncio.sleep(due - self._loop.time())
                await flowing.wait()
                if not chunk:
                    with suppress(OSError):
                        writer.write_eof()
                    return
                if not is_allowed(chunk):
                    raise ConnectionResetError
                writer.write(chunk)
                await writer.drain()

        await asyncio.gather(read(), write())

    def _is_within_limit(self, chunk: bytes) -> bool:
        """Count an answer's bytes; cut every connection instead of an answer that exceeds the limit."""
        if self._cut_at_bytes is not None and self.answered_bytes + len(chunk) > self._cut_at_bytes:
            self._cut_at_bytes = None
            self._cut_all()
            return False
        self.answered_bytes += len(chunk)
        return True


def _bound(port: int) -> socket.socket:
    """Return a socket on a loopback port, which several sockets may have as long as one of them listens."""
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((LOOPBACK, port))
    return bound


def _reset(writer: asyncio.StreamWriter) -> None:
    end = writer.get_extra_info("socket")
    if not writer.transport.is_closing():
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_ZERO)
    writer.transport.abort()
