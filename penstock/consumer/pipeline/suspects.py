"""The intents that are probably at fault when Postgres refuses a set: those whose values the error names."""

import re
from collections.abc import Sequence

import psycopg

from penstock.consumer.batch import Item

_BETWEEN_VALUES = re.compile(r"[(),=]+ ?")
_LEAST = 4
"""Shorter values are in too many intents."""


def suspects(items: Sequence[Item], error: psycopg.Error) -> Sequence[Item]:
    """Return the items with the most of the values that an error names; none if it names none of them.

    The detail of an error has the row that failed, or the key: "Failing row contains (a, b)." or "Key (k)=(a)
    already exists." (PostgreSQL documentation, "Error and Notice Message Fields"). It is a guess: a text may be
    cut off, or be in another field.
    """
    words = _BETWEEN_VALUES.split(error.diag.message_detail or "")
    values = {word for word in words if len(word) >= _LEAST}
    scores = {item: sum(value in item.record["body"] for value in values) for item in items}
    most = max(scores.values())
    found = [item for item, score in scores.items() if score == most]
    return found if len(found) < len(items) else []
