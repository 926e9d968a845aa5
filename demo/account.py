"""The account of the burst: law 9, from the queues, the ledger and the tables themselves."""

from collections import Counter
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg

from demo.requests import Answer, Request
from penstock.consumer.dead_letter import DeadLetter
from penstock.queue import Queue


@dataclass(frozen=True, slots=True)
class Account:
    """The account of every intent of the burst.

    Attributes:
        sent: the number of requests.
        accepted: the number of requests that were answered with 202.
        emitted: the intents of these requests, by id, each with one of its requests.
        outcomes: the outcome of each intent in the ledger.
        tables: the contents of each of the shop's tables.
        dead_letters: the dead letters, by the id of their intent.
        from_202: the seconds from 202 to the row, for each applied intent; 0 if the row was written first.
        from_emit: the seconds from the creation of the intent to the row, for each applied intent.
        statuses: the number of answers with each HTTP status.
    """

    sent: int
    accepted: int
    emitted: dict[UUID, Request]
    outcomes: dict[UUID, str]
    tables: dict[str, Any]
    dead_letters: dict[UUID, DeadLetter]
    from_202: list[float]
    from_emit: list[float]
    statuses: Counter[int]

    def count(self, outcome: str) -> int:
        """Count the intents with an outcome."""
        return sum(self.outcomes.get(id_, "pending") == outcome for id_ in self.emitted)

    @property
    def duplicates(self) -> int:
        """The number of accepted requests that repeated another."""
        return self.accepted - len(self.emitted)

    def errors(self) -> list[str]:
        """Return the statements that do not hold; each source is compared with the others."""
        settled = {outcome: self.count(outcome) for outcome in ("applied", "stale", "dead", "pending")}
        dead = {id_ for id_, outcome in self.outcomes.items() if outcome == "dead"}
        checks = {
            f"every request is answered with 202: {dict(self.statuses)}": self.accepted == self.sent,
            f"emitted = applied + stale + dead + pending: {settled}": len(self.emitted) == sum(settled.values()),
            "nothing is pending once the queue is empty": settled["pending"] == 0,
            "the ledger knows only what was emitted": self.outcomes.keys() <= self.emitted.keys(),
            "each dead intent has its dead letter, and no other has one": self.dead_letters.keys() == dead,
        }
        for table, found in _expected(self._applied()).items():
            checks[f"{table} holds each applied intent once, and nothing else"] = self.tables[table] == found
        return [statement for statement, holds in checks.items() if not holds]

    def _applied(self) -> dict[UUID, Request]:
        return {id_: request for id_, request in self.emitted.items() if self.outcomes.get(id_) == "applied"}


def _expected(applied: dict[UUID, Request]) -> dict[str, Any]:
    """Compute the expected contents of the tables from the requests alone."""
    stock: Counter[str] = Counter()
    expected: dict[str, Any] = {"page_views": set(), "outbox": set(), "orders": set(), "stock": stock}
    for id_, request in applied.items():
        match request.path.split("/")[1:]:
            case ["page-views"]:
                expected["page_views"].add(id_)
            case ["emails"]:
                expected["outbox"].add(id_)
            case ["orders"]:
                expected["orders"].add(UUID(request.body["order_id"]))
            case ["orders", order, "status"]:
                expected["orders"].add(UUID(order))
            case ["stock", sku, "adjustments"]:
                stock[sku] += request.body["delta"]
    return expected


def take_account(answers: list[tuple[Request, Answer]], database_url: str, dead_letters: Queue) -> Account:
    """Read the ledger, the tables and the dead-letter queue, and return the account of the burst.

    Args:
        answers: the requests of the burst with their answers.
        database_url: the URL of the shop's database.
        dead_letters: the dead-letter queue.
    """
    accepted = [(request, answer.id, answer.at) for request, answer in answers if answer.id]
    accepted_at = {id_: at for _, id_, at in reversed(accepted)}
    with psycopg.connect(database_url) as connection:
        ledger = connection.execute("SELECT id, outcome, stated_at, settled_at FROM penstock.ledger").fetchall()
        tables = _tables(connection)
    applied = [(id_, stated, settled) for id_, outcome, stated, settled in ledger if outcome == "applied"]
    return Account(
        sent=len(answers),
        accepted=len(accepted),
        emitted={id_: request for request, id_, _ in accepted},
        outcomes={id_: outcome for id_, outcome, *_ in ledger},
        tables=tables,
        dead_letters=_read_dead_letters(dead_letters),
        from_202=[max(0.0, settled.timestamp() - accepted_at[id_]) for id_, _, settled in applied],
        from_emit=[(settled - stated).total_seconds() for _, stated, settled in applied],
        statuses=Counter(answer.status for _, answer in answers),
    )


def _tables(connection: psycopg.Connection[Any]) -> dict[str, Any]:
    return {
        "page_views": {id_ for (id_,) in connection.execute("SELECT intent_id FROM page_views")},
        "outbox": {id_ for (id_,) in connection.execute("SELECT intent_id FROM outbox")},
        "orders": {id_ for (id_,) in connection.execute("SELECT order_id FROM orders")},
        "stock": Counter(dict(connection.execute("SELECT sku, quantity FROM stock").fetchall())),
    }


def _read_dead_letters(queue: Queue) -> dict[UUID, DeadLetter]:
    found: dict[UUID, DeadLetter] = {}
    while messages := queue.receive(10, visibility_seconds=60):
        letters = [DeadLetter.read(message.attributes) for message in messages]
        found |= {UUID(letter.id): letter for letter in letters if letter and letter.id}
    return found
