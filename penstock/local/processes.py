"""Processes and ports: who still runs, who is really ours, and how to make all of them go.

A process id alone proves nothing: after a reboot or a crash it may belong to somebody else. A process is taken
for ours only if it also started when ours did, or works in a folder of ours.
"""

import json
import signal
import socket
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

import psutil

LOOPBACK = "127.0.0.1"
POLL_SECONDS = 0.02
GONE_SECONDS = 10.0


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll a condition until it holds or the time is up.

    Args:
        condition: What is asked, at least once.
        seconds: The longest wait.

    Returns:
        Whether it held in time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def port_is_free(port: int) -> bool:
    """Tell whether a server could listen on a loopback TCP port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too: without it, the closing connections of the last run would count as taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((LOOPBACK, port))
            return True
    return False


def free_port() -> int:
    """Return a loopback TCP port that is free now (somebody else may still take it first)."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def kept_port(file: Path) -> int:
    """Return the port that a file remembers, or a new one, remembered from now on, if that is taken."""
    with suppress(OSError, ValueError):
        port = int(file.read_text())
        if port_is_free(port):
            return port
    port = free_port()
    file.write_text(str(port))
    return port


def alive(process: psutil.Process) -> bool:
    """Tell whether a process runs: one that ended and that nobody has waited for does not count."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def remember(process: psutil.Process, file: Path) -> None:
    """Write down who a process is, so that it can be found again and not be mistaken."""
    file.write_text(json.dumps({"pid": process.pid, "started": process.create_time()}))


def recall(file: Path) -> psutil.Process | None:
    """Return the process that a file remembers, if that very process still runs."""
    try:
        noted = json.loads(file.read_text())
        process = psutil.Process(int(noted["pid"]))
        same = abs(process.create_time() - float(noted["started"])) < 1
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if same and alive(process) else None


def family(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants, the root first."""
    with suppress(psutil.Error):
        return [root, *root.children(recursive=True)]
    return [root]


def running_where(ours: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the running processes that a test takes for ours; those that may not be looked at are not."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if ours(process) and alive(process):
                found.append(process)
    return found


def send(number: signal.Signals, processes: Iterable[psutil.Process]) -> None:
    """Send a signal to processes, passing over those that are gone (psutil checks that an id was not reused)."""
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def wait_gone(processes: Iterable[psutil.Process], seconds: float = GONE_SECONDS) -> bool:
    """Wait until none of the processes runs; return whether that came in time."""
    waiting = list(processes)
    return wait_until(lambda: not any(map(alive, waiting)), seconds)
