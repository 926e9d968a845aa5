"""Which dead letters a run is about."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from penstock.deadletters.found import Found, canonical


class Selector(Protocol):
    """Says of each dead letter whether it is meant."""

    @property
    def asked(self) -> frozenset[str]:
        """The ids that were asked for one by one; empty where it was not asked by id."""

    def names(self, found: Found) -> frozenset[str]:
        """Return the ids out of `asked` that mean this one."""

    def takes(self, found: Found) -> bool:
        """Tell whether this one is meant."""


@dataclass(frozen=True, slots=True)
class Everything:
    """All that is there."""

    asked: frozenset[str] = frozenset()

    def names(self, found: Found) -> frozenset[str]:  # noqa: ARG002 (the protocol's)
        """Return nothing: no id was asked for."""
        return frozenset()

    def takes(self, found: Found) -> bool:  # noqa: ARG002 (the protocol's)
        """Take it."""
        return True


@dataclass(frozen=True, slots=True)
class Ids:
    """Those with one of these ids: the intent's, or SQS's of the message.

    Build one with `Ids.of`.
    """

    asked: frozenset[str]

    @classmethod
    def of(cls, ids: Iterable[str]) -> "Ids":
        """Select by ids.

        Raises:
            ValueError: there is none, or one is blank.
        """
        asked = frozenset(canonical(text) for text in ids)
        if not asked or "" in asked:
            raise ValueError("an id is needed: the intent's or the SQS message's")
        return cls(asked)

    def names(self, found: Found) -> frozenset[str]:
        """Return the ids asked for that are this one's."""
        return self.asked & {canonical(found.message.message_id), found.id}

    def takes(self, found: Found) -> bool:
        """Tell whether one of its ids was asked for."""
        return bool(self.names(found))
