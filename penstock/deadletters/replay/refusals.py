"""Many refusals in a row, after which a run stops."""

from collections.abc import Mapping
from typing import Final

_MAX_REFUSED: Final = 30


class RefusalStreak:
    """A count of refusals in a row."""

    def __init__(self) -> None:
        self._count = 0

    def add(self, codes: Mapping[int, str], total: int) -> str | None:
        """Count a call's refusals of `total` messages; return the last code if too many in a row were refused."""
        self._count = 0 if len(codes) < total else self._count + len(codes)
        return codes[max(codes)] if codes and self._count >= _MAX_REFUSED else None
