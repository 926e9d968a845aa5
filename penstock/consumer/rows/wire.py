"""The wire: the few parameters that carry a set of intents to Postgres, and the columns that it makes of them.

Fields of plain values travel as arrays, all arrays of one type in one parameter, one behind the other. All other
fields travel together as JSON (PostgreSQL documentation, "JSON Functions": json_to_recordset). The parameters are
the same for each kind.
"""

from collections.abc import Sequence
from struct import pack
from typing import Any, Final, NamedTuple

from sqlalchemy import ColumnElement, Integer, bindparam, cast
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeEngine, UserDefinedType

Type = TypeEngine[Any]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]


def sql_type_name(type_: Type) -> str:
    """Return the name of a type in Postgres."""
    return type_.compile(dialect=_DIALECT)


class Parameter(UserDefinedType[str]):
    """A text parameter that Postgres casts to a named type."""

    cache_ok = True
    render_bind_cast = True

    def __init__(self, name: str) -> None:
        """Take the name of the type in Postgres."""
        self.name = name

    def get_col_spec(self, **_: Any) -> str:
        """Return the name."""
        return self.name


COUNT: Final = "penstock_count"
UUIDS: Final = "penstock_uuids"
TIMES: Final = "penstock_times"
TEXTS: Final = "penstock_texts"
RECORDS: Final = "penstock_records"

NAMES: Final = (COUNT, UUIDS, TIMES, TEXTS, RECORDS)
"""The parameters, in the order of `Wire.arguments`."""

_TYPES: Final[dict[str, Type]] = {
    COUNT: Integer(),
    UUIDS: Parameter("UUID[]"),
    TIMES: Parameter("TIMESTAMP WITH TIME ZONE[]"),
    TEXTS: Parameter("TEXT[]"),
    RECORDS: Parameter("JSON"),
}


def parameter(name: str) -> BindParameter[Any]:
    """Return a parameter of the wire."""
    return bindparam(name, type_=_TYPES[name])


class Wire(NamedTuple):
    """A set of intents as it is sent.

    Attributes:
        length: the number of intents.
        uuids: the items of the array, with commas between them; the ids come first.
        times: the same; the times come first.
        texts: the same, in quotes where they need them; None if no field is sent as a text.
        records: a JSON list of objects; None if no field is sent so.
    """

    length: int
    uuids: str
    times: str
    texts: str | None
    records: str | None

    def parameters(self) -> dict[str, Any]:
        """Return the parameters of a statement that takes the whole set."""
        found = {
            COUNT: self.length,
            UUIDS: f"{{{self.uuids}}}",
            TIMES: f"{{{self.times}}}",
            TEXTS: None if self.texts is None else f"{{{self.texts}}}",
            RECORDS: self.records,
        }
        return {name: value for name, value in found.items() if value is not None}

    def arguments(self) -> list[bytes | None]:
        """Return the parameters as libpq takes them, in the formats that `FORMATS` names."""
        texts = None if self.texts is None else f"{{{self.texts}}}".encode()
        records = None if self.records is None else self.records.encode()
        return [
            str(self.length).encode(),
            _binary_uuids(self.uuids),
            f"{{{self.times}}}".encode(),
            texts,
            records,
        ]


OIDS: Final = (23, 2951, 1185, 1009, 114)
"""The types of `Wire.arguments` (PostgreSQL, pg_type.dat): int4, uuid[], timestamptz[], text[], json."""
FORMATS: Final = (0, 1, 0, 0, 0)
"""Their formats: the UUIDs are binary, which Postgres reads faster than texts; the others are texts."""

_UUID: Final = 2950


def _binary_uuids(items: str) -> bytes:
    """Return an array of UUIDs in its binary form (PostgreSQL, array_recv): a header, and each with its length."""
    if not items:
        return pack("!iii", 0, 0, _UUID)
    digits = items.replace("-", "").replace(",", "00000010")
    nulls = "N" in digits
    if nulls:
        digits = digits.replace("00000010NULL", "ffffffff")
    header = pack("!iiiii", 1, nulls, _UUID, items.count(",") + 1, 1)
    # The ids come first, and none of them is null.
    return header + bytes.fromhex("00000010" + digits)


class Items(ColumnElement[Any]):
    """The items of one field, by its place in the array of a parameter."""

    # SQLAlchemy's statement cache compares these.
    _traverse_internals = [  # noqa: RUF012
        ("parameters", InternalTraversal.dp_clauseelement_list),
        ("place", InternalTraversal.dp_plain_obj),
    ]

    def __init__(self, name: str, place: int, type_: Type) -> None:
        self.parameters: Sequence[ColumnElement[Any]] = [parameter(one) for one in (name, COUNT)]
        self.place = place
        self.type = type_


@compiles(Items)
def _compile_items(element: Items, compiler: SQLCompiler, **options: Any) -> str:
    array, count = (compiler.process(one, **options) for one in element.parameters)
    return f"({array})[{count} * {element.place} + 1:{count} * {element.place + 1}]"


def items(name: str, place: int, item: Type | None = None) -> ColumnElement[Any]:
    """Return the items of a field as an array.

    Args:
        name: the parameter.
        place: which of the fields in it, from 0 on.
        item: the type that Postgres reads each text as; None if they have the type of the parameter.
    """
    found = Items(name, place, _TYPES[name])
    return cast(found, Parameter(f"{sql_type_name(item)}[]")) if item else found
