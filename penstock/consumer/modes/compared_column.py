"""A column of a live table, next to its declared type."""

import re
from dataclasses import dataclass
from typing import Final

_TEXTS: Final = {"character varying", "text"}
# The live types that hold each value of a declared type, and compare and write it alike.
_SAME: Final = {
    "character varying": _TEXTS,
    "text": _TEXTS,
    "smallint": {"integer", "bigint", "numeric"},
    "integer": {"bigint", "numeric"},
    "bigint": {"numeric"},
}
_DIGITS: Final = {"smallint": 5, "integer": 10, "bigint": 19}
_ZERO: Final = re.compile(r"\(?'?0(\.0+)?'?(::[a-z ]+)?\)?(::[a-z ]+)?")


@dataclass(frozen=True, slots=True)
class ComparedColumn:
    """A column of a live table, next to its declared type. A domain is replaced by its base type.

    Attributes:
        table: the oid of the table.
        base: the live type, without modifiers.
        type: the live type, with modifiers.
        declared: the declared type, as the code has it.
        declared_base: the declared type as Postgres names it, without modifiers; None if it does not exist.
        declared_domain: the base type of a declared domain, with modifiers; None if it is none.
        collation: the live collation; None if the type has none.
        deterministic: whether only equal bytes are equal under that collation.
        same_collation: whether it is the declared one.
        collation_declared: whether the code declares a collation.
        default: the expression of the default, if there is one.
    """

    table: int
    base: str
    type: str
    declared: str
    declared_base: str | None
    declared_domain: str | None
    collation: str | None
    deterministic: bool
    same_collation: bool
    collation_declared: bool
    default: str | None

    def has_default(self, *, zero_allowed: bool) -> bool:
        """Return whether the column has a default other than null, or than 0 if that is allowed."""
        if self.default is None or self.default.upper().startswith("NULL"):
            return False
        return not (zero_allowed and _ZERO.fullmatch(self.default))

    def stores_unchanged(self, *, compared: bool) -> bool:
        """Return whether the live column holds, compares and writes each value as the declared one does.

        Args:
            compared: whether values are compared with each other as keys or versions. Then a shorter text type is
                a difference: it drops spaces at the end, which makes two keys one. So is citext.
        """
        wanted = self.declared_base
        if wanted in _TEXTS and self.base == "citext":
            return not compared
        if wanted is None or (self.base != wanted and self.base not in _SAME.get(wanted, ())):
            return False
        actual = _numbers(self.type)
        if self.type.startswith("interval ") and not self.type.startswith("interval("):
            return self.type.lower() == self.declared.lower()
        if not actual or (self.base in _TEXTS and not compared):
            return True
        return _fits(self.base, self._declared_numbers(wanted), actual)

    def _declared_numbers(self, wanted: str) -> tuple[int, ...]:
        if wanted in _DIGITS:
            return (_DIGITS[wanted], 0)
        numbers = _numbers(self.declared_domain or self.declared)
        return numbers or ((1,) if wanted in {"character", "bit"} else ())


def _fits(base: str, wanted: tuple[int, ...], actual: tuple[int, ...]) -> bool:
    """Return whether values of the declared length or precision stay the same in the live one."""
    if not wanted:
        return ("time" in base or base == "interval") and actual[0] >= _MICROSECONDS
    if base == "numeric":
        return _scale(wanted) <= _scale(actual) and wanted[0] - _scale(wanted) <= actual[0] - _scale(actual)
    # A longer character(n) pads more, which counts in no comparison of keys, but in the text of values.
    return wanted[0] == actual[0] if base in {"character", "bit"} else wanted[0] <= actual[0]


_MICROSECONDS: Final = 6


def _scale(numbers: tuple[int, ...]) -> int:
    return numbers[1] if len(numbers) > 1 else 0


def _numbers(type_name: str) -> tuple[int, ...]:
    found = None if '"' in type_name else re.search(r"\((\d+)(?:, ?(-?\d+))?\)", type_name)
    return tuple(int(number) for number in found.groups() if number is not None) if found else ()


_TABLE: Final = """(
        SELECT c.oid FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relname = %(table)s AND CASE
            WHEN %(schema)s::text IS NULL THEN pg_catalog.pg_table_is_visible(c.oid)
            ELSE n.nspname = %(schema)s::text
        END
    )"""
"""The oid of a table, by its name and its schema, if that is declared."""

LIVE_COLUMNS: Final = f"""
    WITH RECURSIVE declared AS (
        SELECT * FROM ROWS FROM (
            pg_catalog.unnest(%(names)s::text[]),
            pg_catalog.unnest(%(types)s::text[]),
            pg_catalog.unnest(%(collations)s::text[])
        ) AS declared (name, type, collation_name)
    ),
    live AS (
        SELECT declared.*, pg_catalog.to_regtype(declared.type)::oid AS declared_oid, a.*
        FROM declared JOIN pg_catalog.pg_attribute a ON a.attname = declared.name
        WHERE attrelid = {_TABLE} AND attnum > 0 AND NOT attisdropped
    ),
    base (origin, type, modifier) AS (
        SELECT oid, oid, -1 FROM (SELECT atttypid FROM live UNION SELECT declared_oid FROM live) AS types (oid)
        UNION ALL
        SELECT origin, typbasetype, typtypmod FROM base JOIN pg_catalog.pg_type ON oid = type WHERE typtype = 'd'
    ),
    root AS (
        SELECT origin, type, modifier FROM base JOIN pg_catalog.pg_type ON oid = type WHERE typtype <> 'd'
    )
    SELECT live.name, live.attrelid::int8, pg_catalog.format_type(actual.type, NULL),
        pg_catalog.format_type(
            actual.type, CASE WHEN actual.type = atttypid THEN atttypmod ELSE actual.modifier END
        ),
        live.type, pg_catalog.format_type(wanted.type, NULL),
        CASE WHEN wanted.type <> wanted.origin THEN pg_catalog.format_type(wanted.type, wanted.modifier) END,
        c.collname::text, COALESCE(c.collisdeterministic, true),
        attcollation = CASE
            WHEN collation_name IS NOT NULL THEN COALESCE(pg_catalog.to_regcollation(collation_name)::oid, 0)
            ELSE (SELECT typcollation FROM pg_catalog.pg_type WHERE oid = declared_oid)
        END IS TRUE,
        collation_name IS NOT NULL,
        COALESCE(
            pg_catalog.pg_get_expr(d.adbin, d.adrelid),
            (SELECT typdefault FROM pg_catalog.pg_type WHERE oid = atttypid),
            CASE WHEN attidentity <> '' THEN 'its identity' END
        )
    FROM live
    JOIN root AS actual ON actual.origin = atttypid
    LEFT JOIN root AS wanted ON wanted.origin = declared_oid
    LEFT JOIN pg_catalog.pg_collation c ON c.oid = attcollation
    LEFT JOIN pg_catalog.pg_attrdef d ON adrelid = attrelid AND adnum = attnum
    ORDER BY attnum
"""  # noqa: S608 (constants only)
"""The live columns with their declared types, as the arguments of `ComparedColumn` after the name."""

LIVE_INDEXES: Final = f"""
    SELECT a.attname::text, i.indexrelid::regclass::text
    FROM pg_catalog.pg_index i
    CROSS JOIN LATERAL ROWS FROM (
        pg_catalog.unnest(i.indkey::int2[]), pg_catalog.unnest(i.indcollation::oid[])
    ) AS part (number, collation_oid)
    JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = part.number
    LEFT JOIN pg_catalog.pg_collation of_index ON of_index.oid = part.collation_oid
    LEFT JOIN pg_catalog.pg_collation own ON own.oid = a.attcollation
    WHERE i.indrelid = {_TABLE} AND i.indisunique AND i.indpred IS NULL
        AND a.attname = ANY (%(names)s::text[]) AND i.indnkeyatts = pg_catalog.cardinality(%(names)s::text[])
        AND part.collation_oid <> a.attcollation
        AND NOT (COALESCE(of_index.collisdeterministic, true) AND COALESCE(own.collisdeterministic, true))
"""  # noqa: S608 (constants only)
"""The columns of unique indexes on exactly a key whose collation calls other texts equal than the column's."""
