"""Processes and ports: find running processes, identify them safely and stop them.

A process id does not identify a process: after a reboot or a crash it can belong to another one. A process counts
as ours only if its start time matches as well, or if it works in one of our folders.
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
EXIT_SECONDS = 10.0


def wait_until(condition: Callable[[], bool], seconds: float) -> bool:
    """Poll a condition until it is true or the time is over.

    Args:
        condition: The condition; it is called at least once.
        seconds: The longest wait.

    Returns:
        Whether the condition became true in that time.
    """
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_SECONDS)
    return True


def port_is_free(port: int) -> bool:
    """Return whether a server can listen on a loopback TCP port now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # Servers set this too. Without it, closing connections of the last run would make the port look taken.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        with suppress(OSError):
            probe.bind((LOOPBACK, port))
            return True
    return False


def free_port() -> int:
    """Return a loopback TCP port that is free now; another program can still take it first."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        port: int = probe.getsockname()[1]
        return port


def saved_port(file: Path) -> int:
    """Return the port saved in a file if it is free; otherwise choose another one and save it."""
    with suppress(OSError, ValueError):
        port = int(file.read_text())
        if port_is_free(port):
            return port
    port = free_port()
    file.write_text(str(port))
    return port


def is_alive(process: psutil.Process) -> bool:
    """Return whether a process is running; a zombie is not."""
    try:
        return bool(process.is_running() and process.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


def save_process(process: psutil.Process, file: Path) -> None:
    """Save the id and the start time of a process in a file."""
    file.write_text(json.dumps({"pid": process.pid, "started": process.create_time()}))


def load_process(file: Path) -> psutil.Process | None:
    """Return the process that was saved in a file, or None if that process is no longer running."""
    try:
        saved = json.loads(file.read_text())
        process = psutil.Process(int(saved["pid"]))
        same = abs(process.create_time() - float(saved["started"])) < 1
    except (OSError, ValueError, KeyError, TypeError, psutil.Error):
        return None
    return process if same and is_alive(process) else None


def process_tree(root: psutil.Process) -> list[psutil.Process]:
    """Return a process and all its descendants, the root first."""
    with suppress(psutil.Error):
        return [root, *root.children(recursive=True)]
    return [root]


def find_processes(matches: Callable[[psutil.Process], bool]) -> list[psutil.Process]:
    """Return the running processes that match; processes that cannot be inspected are left out."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error, OSError):
            if matches(process) and is_alive(process):
                found.append(process)
    return found


def send_signal(number: signal.Signals, processes: Iterable[psutil.Process]) -> None:
    """Send a signal to processes, except those that have ended (psutil detects a reused id)."""
    for process in processes:
        with suppress(psutil.Error):
            process.send_signal(number)


def wait_for_exit(processes: Iterable[psutil.Process], seconds: float = EXIT_SECONDS) -> bool:
    """Wait until all processes have ended; return whether they ended in time."""
    waiting = list(processes)
    return wait_until(lambda: not any(map(is_alive, waiting)), seconds)
