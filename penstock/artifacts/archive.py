"""Writing an artifact: a zip archive whose bytes depend on its files alone.

`osls deploy` uploads the archives that functions name to a new place in the deployment bucket and updates the
functions, changed or not. The local stack deploys only if an archive has other files than at the last deployment.
Both look at the archive itself, so no digest is kept beside it, which could be one of another archive. An archive
is replaced only if its content has changed.
"""

import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from stat import S_IXUSR
from typing import Final

from penstock.artifacts.files import Files

# The earliest time that a zip archive can store. With the real time, each build would have other bytes.
_TIME: Final = (1980, 1, 1, 0, 0, 0)
_UNIX: Final = 3


def write_if_changed(archive: Path, files: Files) -> bool:
    """Write an archive unless it has exactly these files already; return whether it was written."""
    if _has(archive, files):
        return False
    archive.parent.mkdir(parents=True, exist_ok=True)
    draft = archive.with_suffix(".draft")
    with zipfile.ZipFile(draft, "w", zipfile.ZIP_DEFLATED) as file:
        for entry, path in _entries(files):
            file.writestr(entry, path.read_bytes())
    draft.rename(archive)
    return True


def _has(archive: Path, files: Files) -> bool:
    """Return whether an archive has exactly these files. An archive that cannot be read has others."""
    wanted = list(_entries(files))
    try:
        with zipfile.ZipFile(archive) as file:
            kept = file.infolist()
            return len(kept) == len(wanted) and all(
                (one.filename, one.external_attr) == (entry.filename, entry.external_attr)
                and file.read(one) == path.read_bytes()
                for one, (entry, path) in zip(kept, wanted, strict=True)
            )
    except (OSError, zipfile.BadZipFile, zlib.error):
        return False


def _entries(files: Files) -> Iterator[tuple[zipfile.ZipInfo, Path]]:
    for name, path in sorted(files.items()):
        entry = zipfile.ZipInfo(name, _TIME)
        entry.create_system = _UNIX
        entry.compress_type = zipfile.ZIP_DEFLATED
        # Lambda runs functions as another user, who may read every file, whatever the umask here is.
        entry.external_attr = (0o755 if path.stat().st_mode & S_IXUSR else 0o644) << 16
        yield entry, path
