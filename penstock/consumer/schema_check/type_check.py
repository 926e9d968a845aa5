"""Whether a live type holds every value of a declared type. Types not listed here are compared by name."""

from penstock.consumer.schema_check.live_type import LiveType

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
    """Return whether a column of the live type holds every value of the declared type unchanged."""
    wanted, actual = declared.base, live.base
    if wanted.endswith("[]") and actual.endswith("[]"):
        wanted, actual = wanted.removesuffix("[]"), actual.removesuffix("[]")
    if wanted != actual and actual not in _WIDER.get(wanted, ()):
        return False
    return not live.modifiers or _modifiers_fit(wanted, declared.modifiers, live.modifiers)


def _modifiers_fit(base: str, wanted: tuple[int, ...], actual: tuple[int, ...]) -> bool:
    """Compare modifiers. The live type has some; a type without modifiers has no limit."""
    if base in _TEXTS:
        return bool(wanted) and wanted[0] <= actual[0]
    if base in _TIMES:
        return (wanted or (_MICROSECONDS,))[0] <= actual[0]
    if base in _DIGITS:
        return _DIGITS[base] <= _whole_digits(actual)
    if base == "numeric":
        return bool(wanted) and _whole_digits(wanted) <= _whole_digits(actual) and _scale(wanted) <= _scale(actual)
    return True


def _whole_digits(modifiers: tuple[int, ...]) -> int:
    return modifiers[0] - _scale(modifiers)


def _scale(modifiers: tuple[int, ...]) -> int:
    return modifiers[1] if len(modifiers) > 1 else 0
