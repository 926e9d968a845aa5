"""What happens to the connection of a managed engine: hooks for the service, and counters."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

_logger = logging.getLogger(__name__)


class Closed(StrEnum):
    """Why a connection was closed."""

    LOST = "lost"
    """It was dead when it was needed, or it broke in use."""
    GIVEN_BACK = "given back"
    """The server has few free connections, so the invocation did not keep it."""
    LEFT_OPEN = "left open"
    """The handler returned with a transaction open, which was rolled back."""
    REPLACED = "replaced"
    """It was too old, or the engine was closed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """Functions that are told what happens. An error that one raises is logged, and changes nothing.

    Attributes:
        on_connect: a connection was made: how long it took in seconds, waits included, and the number of attempts.
        on_error: an attempt failed, or the connection broke in use, or cleaning failed: the error.
        on_retry: another attempt follows: the error, the number of attempts so far, and the wait in seconds.
        on_close: the connection was closed: why.
        on_clean: sessions were ended: the ids of their server processes.
    """

    on_connect: Callable[[float, int], object] | None = None
    on_error: Callable[[BaseException], object] | None = None
    on_retry: Callable[[BaseException, int, float], object] | None = None
    on_close: Callable[[Closed], object] | None = None
    on_clean: Callable[[list[int]], object] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """Counters since the engine was made, and what it last saw of the server.

    Attributes:
        connects: connections that were made and kept.
        errors: attempts that failed, and connections that broke in use.
        retries: waits before another attempt, of a connection or of a transaction.
        lost: connections that were dead when they were needed, or broke in use.
        given_back: connections that were closed at the end of an invocation, to leave them to others.
        cleaned: sessions of other instances that were ended.
        used: the connections that were in use when it was last counted; None before.
        limit: how many the server, the role or the database grants, whichever is reached first; None before.
    """

    connects: int = 0
    errors: int = 0
    retries: int = 0
    lost: int = 0
    given_back: int = 0
    cleaned: int = 0
    used: int | None = None
    limit: int | None = None


class Recorder:
    """Counts what happens, and tells the hooks."""

    def __init__(self, hooks: Hooks) -> None:
        """Begin with counters of zero."""
        self._hooks = hooks
        self._stats = Stats()
        self._lock = threading.Lock()

    def snapshot(self) -> Stats:
        """Return the counters as they are."""
        return self._stats

    def connected(self, seconds: float, attempts: int) -> None:
        """A connection was made."""
        self._count(connects=1)
        self._tell(self._hooks.on_connect, seconds, attempts)

    def failed(self, error: BaseException) -> None:
        """An attempt failed, or a connection broke, or cleaning failed."""
        self._count(errors=1)
        self._tell(self._hooks.on_error, error)

    def retrying(self, error: BaseException, attempts: int, wait: float) -> None:
        """Another attempt follows."""
        self._count(retries=1)
        self._tell(self._hooks.on_retry, error, attempts, wait)

    def closed(self, why: Closed) -> None:
        """The connection was closed."""
        self._count(lost=why is Closed.LOST, given_back=why is Closed.GIVEN_BACK)
        self._tell(self._hooks.on_close, why)

    def cleaned(self, processes: list[int]) -> None:
        """Sessions of other instances were ended."""
        self._count(cleaned=len(processes))
        self._tell(self._hooks.on_clean, processes)

    def counted(self, used: int, limit: int) -> None:
        """The server's connections were counted."""
        with self._lock:
            self._stats = replace(self._stats, used=used, limit=limit)

    def _count(self, **more: int) -> None:
        with self._lock:
            self._stats = replace(
                self._stats, **{name: getattr(self._stats, name) + number for name, number in more.items()}
            )

    def _tell(self, hook: Callable[..., object] | None, *what: Any) -> None:
        try:
            if hook:
                hook(*what)
        except Exception as error:  # noqa: BLE001 (a hook only watches)
            _logger.warning(
                "a hook of the managed engine failed: %s", type(error).__name__, extra={"action": "hook_failed"}
            )
