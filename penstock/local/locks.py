"""One at a time: a lock on a folder, held across processes."""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold an exclusive lock on a file while the block runs, waiting for whoever has it.

    The kernel lets go of it when the process ends, however it ends, so that no lock is ever left behind.

    Args:
        path: The lock file, made if missing, its folder too.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
