"""Whether a column of the database has room for all that the declared one has. Types not named here go by name."""

from penstock.consumer.schema_check.catalog import LiveType

_WIDER = {
    "smallint": {"integer", "bigint", "numeric"},
    "integer": {"bigint", "numeric"},
    "bigint": {"numeric"},
    "real": {"double precision"},
    "character": {"character varying", "text", "citext"},
    "character varying": {"text", "citext"},
    "text": {"character varying", "citext"},
    "cidr": {"inet"},
    "json": {"jsonb"},
    "jsonb": {"json"},
}
_DIGITS = {"smallint": 5, "integer": 10, "bigint": 19}
_TEXTS = {"character", "character varying", "text"}
_TIMES = {
    "interval",
    "time with time zone",
    "time without time zone",
    "timestamp with time zone",
    "timestamp without time zone",
}
_MICROSECONDS = 6


def is_assignable(declared: LiveType, live: LiveType) -> bool:
    """Say whether every value of the declared type is, unchanged, one of the live type."""
    wanted, there = declared.base, live.base
    if wanted.endswith("[]") and there.endswith("[]"):
        wanted, there = wanted.removesuffix("[]"), there.removesuffix("[]")
    if wanted != there and there not in _WIDER.get(wanted, ()):
        return False
    return not live.modifiers or _fits(wanted, declared.modifiers, live.modifiers)


def _fits(base: str, wanted: tuple[int, ...], there: tuple[int, ...]) -> bool:
    """Compare modifiers, of which the live type has some; without any there is no limit."""
    if base in _TEXTS:
        return bool(wanted) and wanted[0] <= there[0]
    if base in _TIMES:
        return (wanted or (_MICROSECONDS,))[0] <= there[0]
    if base in _DIGITS:
        return _DIGITS[base] <= _whole_digits(there)
    if base == "numeric":
        return bool(wanted) and _whole_digits(wanted) <= _whole_digits(there) and _scale(wanted) <= _scale(there)
    return True


def _whole_digits(modifiers: tuple[int, ...]) -> int:
    return modifiers[0] - _scale(modifiers)


def _scale(modifiers: tuple[int, ...]) -> int:
    return modifiers[1] if len(modifiers) > 1 else 0
