"""The text of a statement as the server gets it, with its parameters by their numbers."""

import re
from collections.abc import Sequence

from sqlalchemy import Executable, String
from sqlalchemy.dialects.postgresql import psycopg
from sqlalchemy.sql.compiler import SQLCompiler

from penstock.consumer.rows.wire import NAMES

_DIALECT = psycopg.dialect()  # type: ignore[no-untyped-call]
_PLACE = re.compile(r"%%|%\(([^)]*)\)s")


def text_of(statement: Executable, names: Sequence[str] = NAMES) -> bytes:
    """Return the text of a statement. Its constants are in the text.

    Args:
        statement: the statement.
        names: the names of its parameters, in their order.
    """
    compiled = statement.compile(dialect=_DIALECT)  # type: ignore[attr-defined]
    return _PLACE.sub(lambda place: _written(compiled, place[1], names), str(compiled)).encode()


def _written(compiled: SQLCompiler, name: str | None, names: Sequence[str]) -> str:
    if name is None:
        return "%"
    if name in names:
        return f"${names.index(name) + 1}"
    bound = compiled.binds[name]
    # SQLAlchemy knows no type for a name that needs quotes, which is a text of a class of its own.
    type_ = String() if isinstance(bound.value, str) else bound.type
    # The compiler doubles each percent sign, as psycopg needs it.
    return compiled.render_literal_value(bound.value, type_).replace("%%", "%")
