"""`ROWS FROM (...)`: several set-returning functions joined row by row (PostgreSQL, "Table Functions").

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
    """Functions whose rows are joined by position: the first of each, the second of each, and so on."""

    name = "rows_from"
    inherit_cache = True


class RecordFunction(ColumnElement[Any]):
    """A function that returns records, with its column definition list."""

    # SQLAlchemy's statement cache compares these two.
    _traverse_internals = [  # noqa: RUF012
        ("function", InternalTraversal.dp_clauseelement),
        ("columns", InternalTraversal.dp_clauseelement_list),
    ]

    def __init__(self, function: ColumnElement[Any], columns: Mapping[str, TypeEngine[Any]]) -> None:
        self.function = function
        self.columns = [column(name, type_) for name, type_ in columns.items()]


@compiles(RowsFrom)
def _compile_rows_from(element: RowsFrom, compiler: SQLCompiler, **options: Any) -> str:
    return f"ROWS FROM {compiler.process(element.clause_expr, **options)}"


@compiles(RecordFunction)
def _compile_record_function(element: RecordFunction, compiler: SQLCompiler, **options: Any) -> str:
    types, quote = compiler.dialect.type_compiler_instance, compiler.preparer.quote
    columns = ", ".join(f"{quote(column.name)} {types.process(column.type)}" for column in element.columns)
    return f"{compiler.process(element.function, **options)} AS ({columns})"
