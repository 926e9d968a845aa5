"""`ROWS FROM (...)`: several set-returning functions side by side, as one table (PostgreSQL, "Table Functions").

SQLAlchemy has each part of it, but not the whole.
"""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, column
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import InternalTraversal
from sqlalchemy.types import TypeEngine


class RowsFrom(FunctionElement[Any]):
    """Functions whose rows are put side by side: the first of each, the second of each, and so on."""

    name = "rows_from"
    inherit_cache = True


class Defined(ColumnElement[Any]):
    """A function that returns records, with the definition of their columns."""

    # What SQLAlchemy's cache of statements tells two of these apart by.
    _traverse_internals = [  # noqa: RUF012
        ("function", InternalTraversal.dp_clauseelement),
        ("columns", InternalTraversal.dp_clauseelement_list),
    ]

    def __init__(self, function: ColumnElement[Any], columns: Mapping[str, TypeEngine[Any]]) -> None:
        self.function = function
        self.columns = [column(name, type_) for name, type_ in columns.items()]


@compiles(RowsFrom)
def _rows_from(element: RowsFrom, compiler: SQLCompiler, **options: Any) -> str:
    return f"ROWS FROM {compiler.process(element.clause_expr, **options)}"


@compiles(Defined)
def _defined(element: Defined, compiler: SQLCompiler, **options: Any) -> str:
    types, quote = compiler.dialect.type_compiler_instance, compiler.preparer.quote
    columns = ", ".join(f"{quote(column.name)} {types.process(column.type)}" for column in element.columns)
    return f"{compiler.process(element.function, **options)} AS ({columns})"
