"""Folders for the data of database servers: in memory where there is room, as each clone writes 300 files."""

import os
import shutil
from pathlib import Path
from tempfile import mkdtemp

_MEMORY = Path("/dev/shm")  # noqa: S108
# A server takes about half a GiB, and one that a killed run leaves behind stays.
_ROOM_BYTES = 4 * 2**30


def server_folder() -> Path:
    """Make a folder; none of pytest's, because as root, Postgres runs as another user, who may not read those."""
    return Path(mkdtemp(prefix="penstock-test-", dir=_MEMORY if _has_room() else None))


def _has_room() -> bool:
    return os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free >= _ROOM_BYTES
