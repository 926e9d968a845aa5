"""The canary: a few dead letters are replayed first, and the rest only if these took effect by the ledger."""

import time
from collections import Counter
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ARRAY, CompoundSelect, Engine, Uuid, bindparam, func, select, union_all

from penstock.database.ledger import APPLIED, DEAD, EXPIRED, PENDING, STALE, ledger, past

_FIRST_PAUSE_SECONDS, _MAX_PAUSE_SECONDS = 0.1, 2.0
_TOOK_EFFECT: Final = frozenset({APPLIED, STALE})
_FINAL: Final = _TOOK_EFFECT | {EXPIRED}


class Canary:
    """Reads the outcomes of replayed intents from the ledger."""

    def __init__(self, engine: Engine, *, sleep: Callable[[float], object] = time.sleep) -> None:
        """Read the time from the database's clock: earlier outcomes are not those of the replay.

        Args:
            engine: the database.
            sleep: waits for the given number of seconds.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is away.
        """
        self._engine = engine
        self._sleep = sleep
        with engine.connect() as connection:
            self._since: datetime = connection.execute(select(func.pg_catalog.clock_timestamp())).scalar_one()

    def wait(self, ids: Collection[UUID], seconds: float) -> Counter[str]:
        """Wait until all of these intents are settled, or until `seconds` have passed.

        Returns:
            How many are `applied`, `stale`, `expired`, `dead` and `pending`.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: the database is away.
        """
        until = time.monotonic() + seconds
        pause = _FIRST_PAUSE_SECONDS
        while (outcomes := self._count_outcomes(ids))[PENDING] and time.monotonic() + pause < until:
            self._sleep(pause)
            pause = min(2 * pause, _MAX_PAUSE_SECONDS)
        return outcomes

    def _count_outcomes(self, ids: Collection[UUID]) -> Counter[str]:
        with self._engine.connect() as connection:
            rows = connection.execute(_ENTRIES, {"ids": list(ids)}).all()
        # An intent that was dead and applied later is in both generations; the newer entry counts, and comes last.
        known = {row.id: self._outcome(row) for row in rows}
        return Counter(known.get(id_, PENDING) for id_ in ids)

    def _outcome(self, row: Any) -> str:
        if row.reused_at is not None and row.reused_at >= self._since:
            return DEAD
        if row.outcome in _FINAL:
            return str(row.outcome)
        return DEAD if row.outcome == DEAD and row.settled_at >= self._since else PENDING


def all_took_effect(outcomes: Mapping[str, int]) -> bool:
    """Return whether every canary has taken effect."""
    return not any(count for outcome, count in outcomes.items() if outcome not in _TOOK_EFFECT)


_ids = bindparam("ids", type_=ARRAY(Uuid))
_ENTRIES: CompoundSelect[Any] = union_all(
    *(
        select(t.c.id, t.c.outcome, t.c.settled_at, t.c.reused_at).where(t.c.id == func.any(_ids))
        for t in (past, ledger)
    )
)
