"""Lambda's limit for the size of a function."""

from collections import Counter
from typing import Final

from penstock.artifacts.errors import BuildError
from penstock.artifacts.files import Files

LIMIT_BYTES: Final = 250 * 1024 * 1024
"""The most that a function's code and layers may have unzipped (AWS Lambda Developer Guide, "Lambda quotas")."""

_MEGABYTE: Final = 1_000_000
_NEAR: Final = 0.8
_SHOWN: Final = 5


def refuse_too_large(artifact: str, files: Files) -> int:
    """Return the bytes of an artifact unzipped.

    Raises:
        BuildError: they are more than Lambda accepts.
    """
    sizes = Counter[str]()
    for name, path in files.items():
        sizes[name.split("/")[0]] += path.stat().st_size
    size = sizes.total()
    if size > LIMIT_BYTES:
        largest = ", ".join(f"{name} {megabytes(part)}" for name, part in sizes.most_common(_SHOWN))
        raise BuildError(
            f"the artifact {artifact} has {megabytes(size)} unzipped, and Lambda accepts {megabytes(LIMIT_BYTES)}."
            f" Leave something out. The largest: {largest}"
        )
    return size


def is_near(size: int) -> bool:
    """Return whether a size in bytes, unzipped, leaves little room below the limit."""
    return size > _NEAR * LIMIT_BYTES


def megabytes(size: int) -> str:
    """Format a size that is given in bytes."""
    return f"{size / _MEGABYTE:.1f} MB"
