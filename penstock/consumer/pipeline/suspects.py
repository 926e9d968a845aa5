"""The intents that are probably at fault when Postgres refuses a set: those whose values the error names."""

import re
from collections.abc import Sequence

import psycopg

from penstock.consumer.batch import Item

_BETWEEN_VALUES = re.compile(r"[(),=]+ ?")
_LEAST = 4
"""Shorter values are in too many intents."""


def suspects(items: Sequence[Item], error: psycopg.Error) -> Sequence[Item]:
    """Return the items with the values that an error names; none if that tells no item from another.

    The detail of an error has the row that failed, or the key: "Failing row contains (a, b)." or "Key (k)=(a)
    already exists." (PostgreSQL documentation, "Error and Notice Message Fields"). It is a guess: a text may be
    cut off, or be in another field.
    """
    words = dict.fromkeys(_BETWEEN_VALUES.split(error.diag.message_detail or ""))
    found = items
    # A long value is in few intents, so that few are left for all others.
    for word in sorted(words, key=len, reverse=True):
        if len(word) < _LEAST or len(found) == 1:
            break
        found = [item for item in found if word in item.record["body"]] or found
    return found if len(found) < len(items) else []
