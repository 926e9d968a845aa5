"""A kind with several writes: whether they make sense together, and what the digest of an intent covers."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations

from penstock.consumer.mapping.bind_processing import postgres_type
from penstock.consumer.mapping.field_types import IDENTITY
from penstock.consumer.modes.append import Append
from penstock.consumer.modes.base import WriteMode
from penstock.consumer.modes.keyed import unique_keys
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.rows.wire import Type
from penstock.intents import WriteIntent


def unwritten_errors(intent: type[WriteIntent], requirements: Sequence[Requirements]) -> Iterator[str]:
    """Yield an error for each field that none of the writes has a column for."""
    written = {field for one in requirements for field in one.fields.values()}
    for name in intent.model_fields:
        if name not in written:
            tables = ", ".join(sorted({repr(one.table.fullname) for one in requirements}))
            yield (
                f"field {name!r} has no column in any of the tables {tables}: add a column {name!r} to one of "
                "them, or map another column to the field in `columns`"
            )


def repetition_errors(modes: Sequence[tuple[WriteMode, Requirements | None]]) -> Iterator[str]:
    """Yield an error for each two writes of which the second would repeat the first, or always be refused."""
    for (mode, one), (other_mode, other) in combinations(modes, 2):
        if one is None or other is None or one.table is not other.table or type(mode) is not type(other_mode):
            continue
        if one.fields == other.fields:
            yield f"table {one.table.fullname!r} gets the same write twice: remove one of the two"
        elif isinstance(mode, Append):
            for key in unique_keys(one.table):
                if key and all(one.fields.get(name) == other.fields.get(name) is not None for name in key):
                    yield (
                        f"table {one.table.fullname!r}: two Appends give the unique columns "
                        f"{', '.join(map(repr, sorted(key)))} the same values, so that Postgres would refuse each "
                        "intent: map other fields to them, or make more columns unique together"
                    )


def fields_elsewhere(first: Requirements, others: Sequence[Requirements]) -> Mapping[str, Type]:
    """Return the fields that only other writes have columns for, each with the type of the column."""
    own = {*first.fields.values(), *IDENTITY}
    return {
        field: postgres_type(one.table.c[column].type)
        for one in reversed(others)
        for column, field in one.fields.items()
        if field not in own
    }
