"""The intents of one kind that are sent to Postgres together, seen as columns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from penstock.intents import Envelope


@dataclass(frozen=True, slots=True)
class IntentSet:
    """Intents of one kind, as columns.

    Attributes:
        ids: the ids, as texts in the form of RFC 9562.
        times: the times, as texts in the form of RFC 3339, in UTC.
        rows: the data of each intent.
        getter: returns the function that gets a field of a row.
    """

    ids: Sequence[str]
    times: Sequence[str]
    rows: Sequence[Any]
    getter: Callable[[str], Callable[[Any], Any]] = attrgetter

    @classmethod
    def of(cls, envelopes: Sequence[Envelope[Any]]) -> "IntentSet":
        """Make a set of decoded envelopes."""
        return cls(
            [str(envelope.id) for envelope in envelopes],
            [envelope.time.isoformat() for envelope in envelopes],
            [envelope.data for envelope in envelopes],
        )

    def column(self, field: str) -> Iterable[Any]:
        """Return the values of a field."""
        return map(self.getter(field), self.rows)

    def __len__(self) -> int:
        return len(self.ids)
