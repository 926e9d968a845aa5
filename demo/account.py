"""The account of the burst: law 9, from the queues and the database themselves."""

from collections import Counter
from dataclasses import dataclass
from uuid import UUID

import psycopg

from demo.requests import Answer
from penstock.consumer.letter import DeadLetter
from penstock.queue import Queue

TABLES = ("page_views", "orders_placed", "order_status_changes", "stock_adjustments", "emails_requested")


@dataclass(frozen=True, slots=True)
class Account:
    """Where every intent of the burst is.

    Attributes:
        sent: requests.
        accepted: requests answered with 202.
        emitted: the intents that they made.
        outcomes: the ledger's outcome of each of them.
        rows: the intents that have a row in a table.
        letters: the dead letters, by intent.
        from_202: seconds from 202 to the row, of each applied intent; 0 where the row was there first.
        from_emit: seconds from the making of the intent to the row.
        statuses: how many answers there were of each HTTP status.
    """

    sent: int
    accepted: int
    emitted: frozenset[UUID]
    outcomes: dict[UUID, str]
    rows: Counter[UUID]
    letters: dict[UUID, DeadLetter]
    from_202: list[float]
    from_emit: list[float]
    statuses: Counter[int]

    def count(self, outcome: str) -> int:
        """Count the intents with an outcome."""
        return sum(self.outcomes.get(id_, "pending") == outcome for id_ in self.emitted)

    @property
    def duplicates(self) -> int:
        """How many accepted requests repeated another."""
        return self.accepted - len(self.emitted)

    def errors(self) -> list[str]:
        """Say what does not add up; each source is held against the others."""
        settled = {outcome: self.count(outcome) for outcome in ("applied", "stale", "dead", "pending")}
        applied = {id_ for id_, outcome in self.outcomes.items() if outcome == "applied"}
        dead = {id_ for id_, outcome in self.outcomes.items() if outcome == "dead"}
        checks = {
            f"every request is answered with 202: {dict(self.statuses)}": self.accepted == self.sent,
            f"emitted = applied + stale + dead + pending: {settled}": len(self.emitted) == sum(settled.values()),
            "nothing is pending once the queue is empty": settled["pending"] == 0,
            "the ledger knows only what was emitted": self.outcomes.keys() <= self.emitted,
            "each applied intent has one row, and no other has any": self.rows == Counter(applied),
            "each dead intent has its dead letter, and no other has one": self.letters.keys() == dead,
        }
        return [what for what, holds in checks.items() if not holds]


def take_account(answers: list[Answer], database_url: str, dead_letters: Queue) -> Account:
    """Ask the ledger, the tables and the dead-letter queue what has become of the burst."""
    accepted_at = {answer.id: answer.at for answer in reversed(answers) if answer.id}
    with psycopg.connect(database_url) as connection:
        ledger = connection.execute("SELECT id, outcome, stated_at, settled_at FROM penstock.ledger").fetchall()
        union = " UNION ALL ".join(f"SELECT intent_id FROM {table}" for table in TABLES)  # noqa: S608
        rows = Counter(id_ for (id_,) in connection.execute(union))
    applied = [(id_, stated, settled) for id_, outcome, stated, settled in ledger if outcome == "applied"]
    return Account(
        sent=len(answers),
        accepted=sum(answer.id is not None for answer in answers),
        emitted=frozenset(accepted_at),
        outcomes={id_: outcome for id_, outcome, *_ in ledger},
        rows=rows,
        letters=_letters(dead_letters),
        from_202=[max(0.0, settled.timestamp() - accepted_at[id_]) for id_, _, settled in applied],
        from_emit=[(settled - stated).total_seconds() for _, stated, settled in applied],
        statuses=Counter(answer.status for answer in answers),
    )


def _letters(queue: Queue) -> dict[UUID, DeadLetter]:
    found: dict[UUID, DeadLetter] = {}
    while messages := queue.receive(10, visibility_seconds=60):
        letters = [DeadLetter.read(message.attributes) for message in messages]
        found |= {UUID(letter.id): letter for letter in letters if letter and letter.id}
    return found
