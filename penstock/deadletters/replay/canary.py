"""The canary: a few dead letters are replayed first, and the rest only if the ledger says that these are well."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, CompoundSelect, Engine, Uuid, bindparam, func, select, union_all

from penstock.database.ledger import APPLIED, DEAD, PENDING, STALE, ledger, past

_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.1, 2.0
_WELL: Final = frozenset({APPLIED, STALE})


class Canary:
    """Watches what becomes of intents that are replayed, from now on."""

    def __init__(self, engine: Engine, *, sleep: Callable[[float], object] = time.sleep) -> None:
        """Take the time, by the database's clock: what was settled before says nothing of the replay.

        Args:
            engine: of the database.
            sleep: what waits for so many seconds.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is away.
        """
        self._engine = engine
        self._sleep = sleep
        with engine.connect() as connection:
            self._since: datetime = connection.execute(select(func.clock_timestamp())).scalar_one()

    def wait(self, ids: Collection[UUID], seconds: float) -> Counter[str]:
        """Wait until all of these are settled, or for so many seconds.

        Returns:
            How many are `applied`, `stale`, `dead`, `pending`.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is away.
        """
        until = time.monotonic() + seconds
        pause = _FIRST_PAUSE_SECONDS
        while (found := self._look(ids))[PENDING] and time.monotonic() + pause < until:
            self._sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        return found

    def _look(self, ids: Collection[UUID]) -> Counter[str]:
        with self._engine.connect() as connection:
            rows = connection.execute(_ENTRIES, {"ids": list(ids)}).all()
        # A dead one that landed later is in both generations; the newer one is right, and comes last.
        known = {row.id: self._state(row) for row in rows}
        return Counter(known.get(id_, PENDING) for id_ in ids)

    def _state(self, row: Any) -> str:
        if row.reused_at is not None and row.reused_at >= self._since:
            return DEAD
        if row.outcome in _WELL:
            return str(row.outcome)
        return DEAD if row.outcome == DEAD and row.settled_at >= self._since else PENDING


def is_well(found: Mapping[str, int]) -> bool:
    """Tell whether every canary has taken effect."""
    return not any(count for outcome, count in found.items() if outcome not in _WELL)


_ids = bindparam("ids", type_=ARRAY(Uuid))
_ENTRIES: CompoundSelect[Any] = union_all(
    *(
        select(t.c.id, t.c.outcome, t.c.settled_at, t.c.reused_at).where(t.c.id == func.any(_ids))
        for t in (past, ledger)
    )
)
