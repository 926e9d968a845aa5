"""A ledger into which a test writes entries with times in the past."""

from typing import Any
from uuid import UUID

from sqlalchemy import Engine, text

FAULT = '{"fault": "DataFault", "reason": "CheckViolation", "sqlstate": "23514", "constraint": "positive"}'
PURGED = FAULT.replace("{", '{"purged": "0199aa00-0000-7000-8000-000000000001", ', 1)


class Ledger:
    """The ledger of a test's database."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._number = 0

    def enter(
        self, outcome: str, *, ago: float = 1, took: float = 0.5, generation: str = "ledger", **given: Any
    ) -> UUID:
        """Insert an entry, settled `ago` seconds ago, of an intent created `took` seconds before that."""
        self._number += 1
        row = {
            "id": given.get("id", UUID(int=self._number)),
            "kind": given.get("kind", "thing.done"),
            "outcome": outcome,
            "fault": given.get("fault", FAULT if outcome in {"dead", "pending"} else None),
            "ago": ago,
            "took": took,
        }
        self.run(
            f"INSERT INTO penstock.{generation} (id, kind, outcome, fault, stated_at, settled_at) VALUES"
            " (:id, :kind, :outcome, CAST(:fault AS json),"
            " now() - make_interval(secs => :ago) - make_interval(secs => :took),"
            " now() - make_interval(secs => :ago))",
            row,
        )
        return UUID(str(row["id"]))

    def fill(self, count: int) -> None:
        """Insert this many applied entries, a hundred per second, up to now."""
        self.run(
            "INSERT INTO penstock.ledger (id, kind, outcome, stated_at, settled_at)"
            " SELECT gen_random_uuid(), 'thing.done', 'applied', t, t FROM"
            " (SELECT now() - n * interval '10 ms' AS t FROM generate_series(:count, 1, -1) n) s",
            {"count": count},
        )
        self.run("SELECT brin_summarize_new_values('penstock.ledger_settled_at')")
        self.run("ANALYZE penstock.ledger")

    def run(self, statement: str, values: Any = None) -> None:
        with self.engine.begin() as connection:
            connection.execute(text(statement), values)
