"""The selection of dead letters for an operation."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

from penstock.deadletters.message import DeadLetterMessage, canonical


class Predicate(Protocol):
    """A condition on the content of a dead letter."""

    @property
    def text(self) -> str:
        """The text of the expression."""

    def matches(self, body: str) -> bool:
        """Return whether a message with this body is selected."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """Criteria for dead letters. A dead letter is selected if it has one of the values of every given criterion.

    Create one with `Selector.of` or `Selector.all`: without any criterion the constructor would select everything
    by accident.

    Attributes:
        ids: ids of intents or of SQS messages.
        kinds: kinds of intents.
        faults: a fault's class, such as `DataFault`, or its reason, such as `CheckViolation`; `sqs` for messages
            that SQS moved, `other` for messages that another program put on the queue.
        sqlstates: SQLSTATE codes of Postgres.
        fingerprints: fingerprints of causes, as `penstock dlq stats` shows them.
        since: dead-lettered at this time or later, in seconds since the epoch.
        until: dead-lettered before this time, in seconds since the epoch.
        where: a condition on the envelope.
    """

    ids: frozenset[str] = frozenset()
    kinds: frozenset[str] = frozenset()
    faults: frozenset[str] = frozenset()
    sqlstates: frozenset[str] = frozenset()
    fingerprints: frozenset[str] = frozenset()
    since: float | None = None
    until: float | None = None
    where: Predicate | None = None

    @classmethod
    def all(cls) -> Self:
        """Select all dead letters."""
        return cls()

    @classmethod
    def of(
        cls,
        *,
        ids: Iterable[str] = (),
        kinds: Iterable[str] = (),
        faults: Iterable[str] = (),
        sqlstates: Iterable[str] = (),
        fingerprints: Iterable[str] = (),
        since: float | None = None,
        until: float | None = None,
        where: Predicate | None = None,
    ) -> Self:
        """Select by criteria, which are those of the class; a dead letter has to meet all that are given.

        Raises:
            ValueError: no criterion is given, one has an empty value, or `since` is not before `until`.
        """
        selector = cls(
            ids=frozenset(map(canonical, ids)),
            kinds=frozenset(kinds),
            faults=frozenset(faults),
            sqlstates=frozenset(sqlstates),
            fingerprints=frozenset(fingerprints),
            since=since,
            until=until,
            where=where,
        )
        if selector.is_everything:
            raise ValueError("a selector is needed")
        given = (selector.ids, selector.kinds, selector.faults, selector.sqlstates, selector.fingerprints)
        if any("" in values for values in given):
            raise ValueError("a selector with an empty value selects nothing")
        if since is not None and until is not None and since >= until:
            raise ValueError("`since` is not before `until`, so that nothing is selected")
        return selector

    @property
    def is_everything(self) -> bool:
        """Whether it has no criterion, and so selects everything."""
        return self == type(self)()

    def matching_ids(self, found: DeadLetterMessage) -> frozenset[str]:
        """Return those of `ids` that are ids of this dead letter."""
        return self.ids and self.ids & {canonical(found.message.message_id), found.id}

    def matches(self, found: DeadLetterMessage) -> bool:
        """Return whether this dead letter is selected."""
        letter = found.letter
        return (
            (not self.ids or bool(self.matching_ids(found)))
            and (not self.kinds or found.kind in self.kinds)
            and (not self.faults or not self.faults.isdisjoint(found.causes))
            and (not self.sqlstates or (letter is not None and letter.sqlstate in self.sqlstates))
            and (not self.fingerprints or (letter is not None and letter.fingerprint in self.fingerprints))
            and (self.since is None or found.message.sent_at >= self.since)
            and (self.until is None or found.message.sent_at < self.until)
            and (self.where is None or self.where.matches(found.message.body))
        )

    def describe(self) -> dict[str, Any]:
        """Return the criteria that are given as JSON values, for a record."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        described: dict[str, Any] = {n: sorted(v) for n, v in given.items() if isinstance(v, frozenset) and v}
        described |= {n: given[n] for n in ("since", "until") if given[n] is not None}
        return described | ({"where": self.where.text} if self.where else {}) or {"all": True}
