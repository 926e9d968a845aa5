"""The intents of one kind that are sent to Postgres together, seen as columns."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any

from penstock.consumer.batch import Item
from penstock.intents import Envelope
from penstock.intents.row_schema import row_of


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

    @classmethod
    def of_items(cls, items: Sequence[Item]) -> "IntentSet":
        """Make a set of items of one kind, without the envelopes of those that were read together."""
        if not any(item.head for item in items):
            return cls.of([item.require_envelope() for item in items])
        heads = [item.head or _head(item.require_envelope()) for item in items]
        return cls(
            [head["id"] for head in heads],
            [head["time"] for head in heads],
            [head["data"] for head in heads],
            itemgetter,
        )

    @property
    def are_dicts(self) -> bool:
        """Whether the rows are dicts, in which UUIDs and times are texts (`penstock.intents.row_schema`)."""
        return self.getter is itemgetter

    def column(self, field: str) -> Iterable[Any]:
        """Return the values of a field."""
        return map(self.getter(field), self.rows)

    def __len__(self) -> int:
        return len(self.ids)


def _head(envelope: Envelope[Any]) -> dict[str, Any]:
    return {"id": str(envelope.id), "time": envelope.time.isoformat(), "data": row_of(envelope.data)}
