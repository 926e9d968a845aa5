"""Which dead letters an operation is about."""

from collections.abc import Iterable
from dataclasses import dataclass, fields
from typing import Any, Protocol, Self

from penstock.deadletters.message import DeadLetterMessage, canonical


class Predicate(Protocol):
    """Says of each dead letter whether it is meant, by what it holds."""

    @property
    def text(self) -> str:
        """The expression as the user wrote it."""

    def matches(self, body: str) -> bool:
        """Tell whether the message of this text is meant."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """What a dead letter has to be: of each criterion that is given, one of the values.

    Build one with `Selector.of` or `Selector.all`: a selector without any criterion would mean everything by
    accident.

    Attributes:
        ids: of the intent, or of the SQS message.
        kinds: of the intent.
        faults: a fault's class, such as `DataFault`, or its reason, such as `CheckViolation`; `sqs` for what SQS
            moved by itself, `other` for what another program put there.
        sqlstates: Postgres's codes.
        fingerprints: of causes, as `penstock dlq stats` shows them.
        since: set aside at this time or later, in seconds since the epoch.
        until: set aside before this time, in seconds since the epoch.
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
        """Select everything that is there."""
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
        """Select by criteria; all that are given have to hold.

        Raises:
            ValueError: none is given, one has a blank value, or the times leave nothing between them.
        """
        made = cls(
            ids=frozenset(map(canonical, ids)),
            kinds=frozenset(kinds),
            faults=frozenset(faults),
            sqlstates=frozenset(sqlstates),
            fingerprints=frozenset(fingerprints),
            since=since,
            until=until,
            where=where,
        )
        if made.is_everything:
            raise ValueError("a selector is needed")
        if any("" in named for named in (made.ids, made.kinds, made.faults, made.sqlstates, made.fingerprints)):
            raise ValueError("a selector with an empty value selects nothing")
        if since is not None and until is not None and since >= until:
            raise ValueError("`since` is not before `until`: nothing lies between them")
        return made

    @property
    def is_everything(self) -> bool:
        """Whether it has no criterion at all."""
        return self == type(self)()

    def names(self, found: DeadLetterMessage) -> frozenset[str]:
        """Return the ids asked for that are this one's."""
        return self.ids & {canonical(found.message.message_id), found.id}

    def takes(self, found: DeadLetterMessage) -> bool:
        """Tell whether this one is meant."""
        letter = found.letter
        return (
            (not self.ids or bool(self.names(found)))
            and (not self.kinds or found.kind in self.kinds)
            and (not self.faults or not self.faults.isdisjoint(found.causes))
            and (not self.sqlstates or (letter is not None and letter.sqlstate in self.sqlstates))
            and (not self.fingerprints or (letter is not None and letter.fingerprint in self.fingerprints))
            and (self.since is None or found.message.sent_at >= self.since)
            and (self.until is None or found.message.sent_at < self.until)
            and (self.where is None or self.where.matches(found.message.body))
        )

    def describe(self) -> dict[str, Any]:
        """Write down the criteria that are given, for a record that JSON can hold."""
        given = {one.name: getattr(self, one.name) for one in fields(self)}
        described: dict[str, Any] = {n: sorted(v) for n, v in given.items() if isinstance(v, frozenset) and v}
        described |= {n: given[n] for n in ("since", "until") if given[n] is not None}
        return described | ({"where": self.where.text} if self.where else {}) or {"all": True}
