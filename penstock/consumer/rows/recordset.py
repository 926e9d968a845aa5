"""A set of intents as rows, which Postgres makes of a few parameters.

The statement's text is short and stays the same for any number of rows. So the limit of 65,535 parameters does not
apply, `pg_stat_statements` has one entry, and nothing makes RDS Proxy pin a session. The types are the table's
own, so Postgres reads each value as the column would.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from sqlalchemy import CTE, BigInteger, ColumnElement, Table, cast, select

from penstock.consumer.mapping.bind_processing import postgres_type
from penstock.consumer.mapping.collation import collated, uncollated
from penstock.consumer.mapping.columns import DIGEST, ID, TIME
from penstock.consumer.mapping.conversions import Conversion, conversion_of
from penstock.consumer.mapping.field_types import IDENTITY, field_type
from penstock.consumer.rows.digest import PythonDigest, digest_in_sql
from penstock.consumer.rows.intent_set import IntentSet
from penstock.consumer.rows.transport import (
    IDENTITY_COLUMNS,
    IDENTITY_TYPES,
    Transport,
    same_type,
)
from penstock.consumer.rows.wire import TEXTS, Type, Wire
from penstock.intents import WriteIntent, kind_of
from penstock.intents.sensitive import sensitive_fields


class Source(NamedTuple):
    """The field and the type of one column of the rows.

    Attributes:
        field: the field; or `intent_id`, `intent_time`.
        type: the type of the column in the database.
    """

    field: str
    type: Type


def sources(table: Table, bound: Mapping[str, str]) -> dict[str, Source]:
    """Return the sources of rows that have the types of a table's columns.

    Args:
        table: the table.
        bound: the field for the key of each column, as `bind_columns` returns it.
    """
    return {key: Source(field, postgres_type(table.c[key].type)) for key, field in bound.items()}


class Rows(Protocol):
    """Rows made of envelopes of one kind.

    A statement is built with `cte` once, and executed with what `write` makes of each set.

    Attributes:
        kind: the kind.
        names: the kind and its aliases.
        cte: the rows, as a common table expression, with `ID`, `TIME` and `DIGEST` among its columns.
        write: writes intents. The validated values are dumped again; it raises
            `pydantic_core.PydanticSerializationError` if one cannot be written.
    """

    kind: str
    names: Sequence[str]
    cte: CTE
    write: Callable[[IntentSet], Wire]


class Recordset:
    """Rows with a column for every column that is written."""

    def __init__(
        self, intent: type[WriteIntent], columns: Mapping[str, Source], digested: Mapping[str, Type] | None = None
    ) -> None:
        """Build the rows.

        Args:
            intent: the class of intents.
            columns: the source of each column, by the column's name.
            digested: other fields that the digest covers, each with the type that Postgres reads it as.
        """
        self.kind = kind_of(intent)
        self.names: Sequence[str] = (self.kind, *intent.intent_aliases)
        transport = Transport(intent)
        conversions = {name: _conversion(intent, source) for name, source in columns.items()}
        names = {name: transport.add(columns[name].field, found.sent_as) for name, found in conversions.items()}
        sent = {columns[name].field: sent for name, sent in names.items()}
        for field, type_ in (digested or {}).items():
            sent[field] = transport.add(field, _conversion(intent, Source(field, type_)).sent_as)
        hashed = sent | {
            field: transport.add_fingerprint(field) for field in sensitive_fields(intent) if field in sent
        }
        rows = transport.rows()
        self.cte = select(
            rows.c[ID],
            rows.c[TIME],
            digest_in_sql(intent, {field: rows.c[name] for field, name in hashed.items()}).label(DIGEST),
            *(
                _value(found, rows.c[names[name]], columns[name]).label(name)
                for name, found in conversions.items()
            ),
        ).cte("penstock_intent")
        self.write = transport.writer()


class IdentityRows:
    """Rows of ids, times and digests, for a kind whose fields are not sent to Postgres."""

    def __init__(self, intent: type[WriteIntent]) -> None:
        """Take the class of intents."""
        self.kind = kind_of(intent)
        self.names: Sequence[str] = (self.kind, *intent.intent_aliases)
        digest = PythonDigest(intent)
        transport = Transport(intent)
        name = transport.add_array(
            DIGEST, BigInteger(), TEXTS, lambda intents: ",".join(str(digest.of(row)) for row in intents.rows)
        )
        rows = transport.rows()
        self.cte = select(rows.c[ID], rows.c[TIME], rows.c[name].label(DIGEST)).cte("penstock_intent")
        self.write = transport.writer()


def _value(conversion: Conversion, sent: ColumnElement[Any], source: Source) -> ColumnElement[Any]:
    return collated(conversion.convert(sent), source.type)


def _conversion(intent: type[WriteIntent], source: Source) -> Conversion:
    if source.field not in IDENTITY:
        return conversion_of(field_type(intent, source.field), uncollated(source.type))
    sent_as = IDENTITY_TYPES[IDENTITY_COLUMNS[source.field]]
    if same_type(sent_as, source.type):
        return Conversion(sent_as)
    return Conversion(sent_as, lambda value: cast(value, uncollated(source.type)))
