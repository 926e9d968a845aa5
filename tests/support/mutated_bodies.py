"""Random kinds of intents, valid bodies of them, and what faults and attackers make of such bodies."""

import json
import re
from collections.abc import Callable, Sequence
from datetime import date, time, timedelta
from decimal import Decimal
from functools import cache
from random import Random
from typing import Annotated, Any, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, Field, NaiveDatetime, TypeAdapter

from penstock import UtcDatetime, WriteIntent
from penstock.intents.sealed import MARK
from tests.support.evolution import kind_with
from tests.support.field_types import TYPES, VALUES, Letter, Point, StrictPoint, WholePoint


class Line(BaseModel, extra="forbid", strict=True, allow_inf_nan=False):
    """A model inside of an intent."""

    of: UUID | UtcDatetime | None = None
    weight: float = 0
    price: Decimal | None = None
    image: Annotated[bytes, Field(alias="picture")] = b""
    lasts: timedelta = timedelta()


READ_TYPES: Sequence[Any] = [
    *(UUID, UUID | None, UtcDatetime, UtcDatetime | None, str, str | None, int, float, bool, Any, dict[str, Any]),
    *(list[UtcDatetime], list[UUID], dict[str, UUID], UUID | int, UtcDatetime | str),
    Annotated[str, Field(min_length=1, max_length=200, pattern="^[^@]+$")],
    Annotated[int, Field(ge=0, lt=2**31)] | None,
    *(
        date,
        time,
        timedelta,
        NaiveDatetime,
        AwareDatetime,
        bytes,
        Literal["a", 1],
        Letter,
        int | str,
        list[int | None],
    ),
    *(Decimal, Annotated[Decimal, Field(ge=0, max_digits=4, decimal_places=1)], dict[int, str], bool | None),
    *(Line, Line | None, list[Line], Point, list[Point], dict[str, Point | None], StrictPoint | WholePoint),
]
"""Types that are read without an object of the class."""
TIMES = [
    *(
        "2026-11-20T10:00:00Z",
        "2026-11-20T10:00:00+00:00",
        "2026-11-20T10:00:00.5Z",
        "2026-11-20T10:00:00.123456Z",
    ),
    *("2026-11-20T10:00:00.1234567Z", "2026-11-20T10:00:00z", "2026-11-20t10:00:00Z", "2026-11-20 10:00:00Z"),
    *("2026-11-20T10:00:00-00:00", "2026-11-20T10:00:00+0000", "2026-11-20T10:00:00+01:00", "2026-11-20T10:00Z"),
    *("2026-11-20T10:00:00", "2026-11-20", "2026-11-20T24:00:00Z", "2026-11-20T23:59:60Z", "2026-11-20T23:60:00Z"),
    *("2026-02-29T10:00:00Z", "2028-02-29T10:00:00Z", "1900-02-29T10:00:00Z", "2000-02-29T10:00:00Z"),
    *("2026-02-30T10:00:00Z", "2026-04-31T10:00:00Z", "2026-13-01T10:00:00Z", "2026-00-01T10:00:00Z"),
    *("0000-01-01T00:00:00Z", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", "10000-01-01T00:00:00Z"),
    *("-2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z ", " 2026-11-20T10:00:00Z", "2026-11-20T10:00:00Z\n"),
    *("2026-11-20T10:00:00,5Z", "2026-11-20T10:00:00.Z", "20261120T100000Z", "2026-W47-5T10:00:00Z", "infinity"),
    *(
        "٢026-11-20T10:00:00Z",
        "2026-11-20T10:00:00\u200bZ",
        "1732000000",
        "epoch",
        "now",
        "2026-11-20T1:00:00Z",
        "10:00:00",
    ),
]
LINES = [
    *(
        {"picture": "YQ=="},
        {"lasts": "P1D", "weight": 0.1},
        {"of": "2026-11-20T10:00:00.5Z"},
        {"price": 1.25},
        {"price": "0.30"},
    ),
    *([{"picture": "_-8="}, {}], [{"weight": 1e300}]),
]
IDS = [
    *(
        str(UUID(int=7)),
        str(UUID(int=7)).upper(),
        UUID(int=7).hex,
        f"urn:uuid:{UUID(int=7)}",
        f"{{{UUID(int=7)}}}",
    ),
    *("0199a0f0-0000-7000-8000-00000000000g", "0199a0f0-0000-7000-8000-00000000000", "", "-" * 36),
    *("0199a0f0-0000-7000-8000-0000000000Af", "0199a0f00000-7000-8000-000000000000-", f"{UUID(int=7)}\n"),
]
NUMBERS = [
    "0",
    "-0",
    "-0.0",
    "1e5",
    "1E+5",
    "1e999",
    "-1e999",
    "1e-999",
    "01",
    "1.",
    ".5",
    "+1",
    "0x1",
    "1_0",
    "NaN",
]
NUMBERS += ["Infinity", "-Infinity", "0.1000000000000000055511151231257827", "12345678901234567.89", "1.0", "2.50"]
NUMBERS += ["9" * 19, "9" * 40, "1" + "0" * 400, "9" * 5000, "9007199254740993", "0.30000000000000001", "1.10"]
TOKENS = [
    *NUMBERS,
    "null",
    "true",
    "false",
    "{}",
    "[]",
    "[[]]",
    '""',
    '"a"',
    '{"a": 1}',
    "[1, 2]",
    '{"a": 1, "a": 2}',
]
TOKENS += [json.dumps(one) for one in [*TIMES, *IDS]] + [f'"{one}"' for one in ("\\u0000", "\\ud800", "\\u0041")]
TOKENS += ['"\\ud83d\\ude00"', '"\\uFFFF"', '"é"', '"\\u0000"', '"Infinity"', f'{{"{MARK}": "x"}}', "\ud800"]
TOKENS += ["[" * 150 + "]" * 150, "[" * 250 + "]" * 250, '{"a":' * 190 + "1" + "}" * 190]
ATTRIBUTES = [*("specversion", "id", "source", "type", "time", "datacontenttype", "dataversion", "traceparent")]
ATTRIBUTES += ["subject", "dataschema", "expirytime", "data", "dataref", "comexample", "Data", ""]


_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+')
_CHARACTERS = '{}[]",:\\ \n\t\x00-+.0123456789eEZTnul\ufeff\u0660é\ud800'


def random_kinds(random: Random) -> list[type[WriteIntent]]:
    """Make one to four classes of intents."""
    return [_random_kind(random, f"made.k{number}") for number in range(random.randint(1, 4))]


def _random_kind(random: Random, name: str) -> type[WriteIntent]:
    types = random.choice([READ_TYPES, READ_TYPES, READ_TYPES, TYPES])
    fields = {f"f{number}": _random_field(random, types, number) for number in range(random.randint(1, 6))}
    version = random.choice([1, 1, 2])
    made = kind_with(fields, name, version=version, aliases=random.choice([(), (f"{name}.old",)]))
    if version == 2:
        made.upgrader(1)(lambda data: data)
    return made


def _random_field(random: Random, types: Sequence[Any], number: int) -> Any:
    type_ = random.choice(types)
    alias = f"theName{number}" if random.random() < 0.1 else None
    if random.random() < 0.3 and type_ is not None:
        return (type_ | None, Field(None, alias=alias))
    return (type_, Field(alias=alias))


def valid_body(random: Random, kinds: Sequence[type[WriteIntent]]) -> str:
    """Write an envelope of one of the kinds, as Penstock or another sender would."""
    kind = random.choice(kinds)
    data = {
        field.alias or name: random.choice(_fitting(field.rebuild_annotation()))
        for name, field in kind.model_fields.items()
        if field.is_required() or random.random() < 0.5
    }
    head = {
        "specversion": "1.0",
        "id": str(UUID(int=random.getrandbits(128))),
        "source": "/test",
        "type": kind.intent_kind,
        "time": random.choice(TIMES[:4]),
        "datacontenttype": "application/json",
        "dataversion": kind.intent_version,
        "traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "subject": "a",
    }
    optional = {
        "datacontenttype",
        "traceparent",
        "subject",
        *(["dataversion"] if kind.intent_version == 1 else []),
    }
    present = {name: value for name, value in head.items() if name not in optional or random.random() < 0.5}
    return json.dumps(present | {"data": data}, ensure_ascii=random.random() < 0.5)


@cache
def _fitting(type_: Any) -> Sequence[Any]:
    """Return those of the sample values that a field accepts; null if it accepts none."""
    adapter: TypeAdapter[Any] = TypeAdapter(kind_with({"value": type_}))
    fitting = [value for value in [*VALUES, *TIMES, *IDS, *LINES] if _accepts(adapter, value)]
    return fitting or [None]


def _accepts(adapter: TypeAdapter[Any], value: Any) -> bool:
    try:
        adapter.validate_json(json.dumps({"value": value}))
    except Exception:  # noqa: BLE001 (a validator may raise anything)
        return False
    return True


def mutated(random: Random, body: str) -> str:
    """Return a body with up to three faults."""
    for _ in range(random.choice([0, 1, 1, 1, 2, 3])):
        body = random.choice(_MUTATIONS)(random, body)
    return body


def _other_token(random: Random, body: str) -> str:
    match = random.choice([*_TOKEN.finditer(body)] or [None])
    return body[: match.start()] + random.choice(TOKENS) + body[match.end() :] if match else body


def _swapped_tokens(random: Random, body: str) -> str:
    found = [*_TOKEN.finditer(body)]
    if len(found) < 2:
        return body
    one, other = sorted(random.sample(found, 2), key=lambda match: match.start())
    between = body[one.end() : other.start()]
    return body[: one.start()] + other[0] + between + one[0] + body[other.end() :]


def _other_value(random: Random, body: str) -> str:
    """Give a key another value, which is often one of a form that only looks like the valid one."""
    found = [*re.finditer(r'": ?("(?:[^"\\]|\\.)*"|[^\s{}\[\],:"]+)', body)]
    match = random.choice(found or [None])
    return body[: match.start(1)] + random.choice(TOKENS) + body[match.end(1) :] if match else body


def _repeated_key(random: Random, body: str) -> str:
    """Write a key once more, in the head or in the data, with the same value or another one."""
    keys = re.findall(r'"([^"\\]*)":', body)
    key = random.choice([*keys, *ATTRIBUTES])
    values = re.findall(rf'"{re.escape(key)}": ?("[^"]*"|[^\s{{}}\[\],:"]+)', body)
    place = random.choice([*re.finditer(r"[{,]\s*(?=\")", body)] or [None])
    text = f'"{key}": {random.choice([*values, *values, *TOKENS])}, '
    return body[: place.end()] + text + body[place.end() :] if place else body


def _renamed_key(random: Random, body: str) -> str:
    match = random.choice([*re.finditer(r'"([^"\\]*)":', body)] or [None])
    names = [*ATTRIBUTES, "f0", "f1", "theName0", "theName1", "\\u0066\\u0030", "f0\\u0000"]
    return body[: match.start(1)] + random.choice(names) + body[match.end(1) :] if match else body


def _spaced(random: Random, body: str) -> str:
    token = random.choice([*_TOKEN.finditer(body)] or [None])
    return body[: token.start()] + random.choice(" \n\t\r\x0b\xa0") + body[token.start() :] if token else body


def _escaped(random: Random, body: str) -> str:
    """Write a letter or a digit as an escape, as some encoders do for all texts."""
    match = random.choice([*re.finditer(r"(?<![\\\w])\w|(?<=[a-z])[a-z]", body)] or [None])
    return f"{body[: match.start()]}\\u{ord(match[0]):04x}{body[match.end() :]}" if match else body


def _other_order(random: Random, body: str) -> str:
    """Move the first attribute to the end."""
    first = re.match(r'\{("[^"]*": ?(?:"[^"]*"|[\w.+-]+)), ', body)
    return f"{{{body[first.end() : -1]}, {first[1]}}}" if first and body.endswith("}") else body


def _other_character(random: Random, body: str) -> str:
    place = random.randrange(len(body) + 1)
    return body[:place] + random.choice(_CHARACTERS) + body[place + random.randint(0, 1) :]


def _changed_bits(random: Random, body: str) -> str:
    place = random.randrange(len(body) or 1)
    changed = chr(ord(body[place : place + 1] or " ") ^ 1 << random.randrange(8))
    return body[:place] + changed + body[place + 1 :]


def _moved_part(random: Random, body: str) -> str:
    start, end = sorted(random.choices(range(len(body) + 1), k=2))
    place = random.randrange(len(body) + 1)
    part = body[start : min(end, start + 30)]
    return body[:place] + part + body[place:]


def _cut(random: Random, body: str) -> str:
    place = random.randrange(len(body) + 1)
    return random.choice([body[:place], body[place:], body[:place] + body[place + 1 :]])


_MUTATIONS: Sequence[Callable[[Random, str], str]] = [
    *(_other_token, _other_value, _other_value, _repeated_key, _repeated_key, _renamed_key),
    *(
        _spaced,
        _escaped,
        _escaped,
        _other_order,
        _other_order,
        _swapped_tokens,
        _other_character,
        _changed_bits,
        _moved_part,
        _cut,
    ),
]
