"""Bodies that no sender should send, each with its documented outcome."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.support.hostile_texts import GONE, LANDS, NO_OBJECT, NOT_JSON, TEXTS, envelope

WAITS = "unknown-version"
"""It goes back to the queue until its version is deployed, and is dead-lettered after a few tries."""


class Hostile(NamedTuple):
    """A hostile body.

    Attributes:
        name: what is wrong with it.
        body: the text of the message.
        outcome: `lands`; `unknown-version`; or a part of the detail of its dead letter.
    """

    name: str
    body: str
    outcome: str


def text_of(name: str, data: str) -> str:
    """Write an envelope around the text of the data."""
    return json.dumps(envelope(name, data=0))[:-2] + data + "}"


def truncated() -> Iterator[Hostile]:
    """Cut a valid envelope at each of its characters."""
    whole = json.dumps(envelope("cut"))
    for length in range(1, len(whole)):
        yield Hostile(f"cut at {length}", whole[:length], "not-json")


_VALUES: dict[str, Any] = {
    "null": None,
    "true": True,
    "a number": 7,
    "a fraction": 1.5,
    "a list": [],
    "an object": {},
    "nothing": "",
    "a surrogate": "\ud800",
    "a long text": "x" * 2000,
    "a list of itself": [[[["x"]]]],
}
_NO = "not-an-envelope: "

_ATTRIBUTES: dict[str, dict[str, str]] = {
    "specversion": dict.fromkeys(_VALUES, _NO + "specversion literal_error")
    | {"null": _NO + "specversion missing"},
    "id": dict.fromkeys(_VALUES, _NO + "id uuid_type")
    | {"null": _NO + "id missing", "nothing": _NO + "id uuid_parsing", "a long text": LANDS},
    "source": dict.fromkeys(_VALUES, _NO + "source string_type")
    | {
        "null": _NO + "source missing",
        "nothing": _NO + "source string_too_short",
        "a long text": _NO + "source string_too_long",
    },
    "type": dict.fromkeys(_VALUES, _NO + "type string_type")
    | {"null": _NO + "type missing", "nothing": _NO + "type string_pattern_mismatch"}
    | {"a long text": _NO + "type string_too_long"},
    "time": dict.fromkeys(_VALUES, _NO + "time instant") | {"null": LANDS},
    "datacontenttype": dict.fromkeys(_VALUES, _NO + "datacontenttype literal_error")
    | {"null": LANDS}
    | dict.fromkeys(("nothing", "a long text"), _NO + "datacontenttype not_json"),
    "dataversion": dict.fromkeys(_VALUES, _NO + "dataversion int_type") | {"null": LANDS, "a number": WAITS},
    "traceparent": dict.fromkeys(_VALUES, _NO + "traceparent string_type")
    | {"null": LANDS, "nothing": LANDS, "a long text": LANDS},
    "subject": dict.fromkeys(_VALUES, _NO + "subject string_type")
    | {"null": LANDS, "nothing": LANDS, "a long text": LANDS},
    "dataschema": dict.fromkeys(_VALUES, _NO + "dataschema string_type")
    | {"null": LANDS, "nothing": LANDS, "a long text": LANDS},
    "data": dict.fromkeys(_VALUES, "invalid-data: data model_type")
    | {"an object": "invalid-data: data.name missing"},
}


def wrong_attributes() -> Iterator[Hostile]:
    """Give each attribute a value of each type, and leave it out."""
    for attribute, outcomes in _ATTRIBUTES.items():
        for what, outcome in (outcomes | {"a surrogate": "not-json"}).items():
            name = f"{attribute}: {what}"
            yield Hostile(name, json.dumps(envelope(name, **{attribute: _VALUES[what]})), outcome)
    for attribute in ("specversion", "id", "source", "type", "data"):
        name = f"{attribute}: none"
        yield Hostile(name, json.dumps(envelope(name, **{attribute: GONE})), f"{_NO}{attribute} missing")


_FIELD_ERRORS = {"name": "string_type", "parent": "string_type", "size": "int_type"}


def wrong_fields() -> Iterator[Hostile]:
    """Give each field of the data a value of each other type."""
    for field, error in _FIELD_ERRORS.items():
        for what, value in _VALUES.items():
            fits = isinstance(value, str) if error == "string_type" else type(value) is int
            if fits or (value is None and field != "name"):
                continue
            name = f"{field}, {what}"
            outcome = "not-json" if what == "a surrogate" else f"invalid-data: data.{field} {error}"
            yield Hostile(name, json.dumps(envelope(name, data={"name": name} | {field: value})), outcome)


def bad_syntax() -> Iterator[Hostile]:
    """Bodies that are not JSON, and JSON that is not an object."""
    for name, body in NOT_JSON.items():
        yield Hostile(f"syntax: {name}", body, "not-json")
    for name, body in NO_OBJECT.items():
        yield Hostile(f"no object: {name}", body, "not-an-envelope: dataclass_type")


_SIZES = {
    "0": LANDS,
    "-0": LANDS,
    "2147483647": LANDS,
    "-2147483648": LANDS,
    "2147483648": "NumericValueOutOfRange",
    "-2147483649": "NumericValueOutOfRange",
    "9223372036854775807": "NumericValueOutOfRange",
    "9223372036854775808": "NumericValueOutOfRange",
    "1" + "0" * 400: "NumericValueOutOfRange",
    "1e999": "invalid-data: data.size int_type",
    "-1e999": "invalid-data: data.size int_type",
    "NaN": "not-json",
    "Infinity": "not-json",
    "-Infinity": "not-json",
    "1e-999": "invalid-data: data.size int_type",
    "1.0": "invalid-data: data.size int_type",
    "1e3": "invalid-data: data.size int_type",
    "0.5": "invalid-data: data.size int_type",
    '"1"': "invalid-data: data.size int_type",
}


def numbers() -> Iterator[Hostile]:
    """Numbers of any size in a field of whole numbers."""
    for literal, outcome in _SIZES.items():
        name = f"size {literal[:20]}"
        yield Hostile(name, text_of(name, f'{{"name": {json.dumps(name)}, "size": {literal}}}'), outcome)


def texts() -> Iterator[Hostile]:
    """Texts that a database, a log or a parser might mistake."""
    for name, (text, outcome) in TEXTS.items():
        yield Hostile(f"text: {name}", text_of(f"text: {name}", f'{{"name": "{text}{name}"}}'), outcome)


def repeated_keys() -> Iterator[Hostile]:
    """The last value of a key that is given twice counts."""
    for attribute, wrong, right, fault in (
        ("id", '""', '"twice"', "id uuid_parsing"),
        ("source", '""', '"/twice"', "source string_too_short"),
        ("specversion", '"0.3"', '"1.0"', "specversion literal_error"),
        ("data", "7", '{"name": "twice"}', "data model_type"),
        ("time", '"never"', '"2026-11-20T10:00:00Z"', "time instant"),
    ):
        for order in ("wrong first", "right first"):
            name = f"{attribute} twice, {order}"
            rest = {key: value for key, value in envelope(name).items() if key != attribute}
            last = wrong if order == "right first" else right.replace("twice", name)
            first = right.replace("twice", name) if order == "right first" else wrong
            body = json.dumps(rest)[:-1] + f', "{attribute}": {first}, "{attribute}": {last}}}'
            yield Hostile(name, body, LANDS if order == "wrong first" else fault)
    yield Hostile("field twice", text_of("field twice", '{"name": 7, "name": "field twice"}'), LANDS)


def nesting() -> Iterator[Hostile]:
    """Values nested to any depth, in a field, in an unknown attribute and in the place of the data."""
    for depth in (1, 10, 100, 190):
        for brackets, open_, close in (("lists", "[", "]"), ("objects", '{"a":', "}")):
            nested = open_ * depth + "1" + close * depth
            name = f"{depth} {brackets}"
            yield Hostile(
                f"{name} in name", text_of(name, f'{{"name": {nested}}}'), "invalid-data: data.name string_type"
            )
            yield Hostile(
                f"{name} beside",
                text_of(name, f'{{"name": "a", "b": {nested}}}'),
                "invalid-data: data.b extra_forbidden",
            )
            body = json.dumps(envelope(f"{name} outside"))[:-1] + f', "comexample": {nested}}}'
            yield Hostile(f"{name} outside", body, LANDS)
    for depth in (1000, 5000):
        body = json.dumps(envelope("deep"))[:-1] + f', "comexample": {"[" * depth}{"]" * depth}}}'
        yield Hostile(f"{depth} outside", body, "not-json")


def odd_names() -> Iterator[Hostile]:
    """Names of attributes and fields that nobody has declared."""
    names = [
        "__proto__",
        "__class__",
        "constructor!",
        "a b",
        "A",
        "a.b",
        "a-b",
        "'",
        '"',
        "\\",
        "\n",
        "é",
        "a" * 99 + "_",
    ]
    for number, odd in enumerate(names):
        name = f"odd name {number}"
        yield Hostile(name, json.dumps(envelope(name) | {odd: 1}), "invalid_attribute_name")
        inner = f"odd field {number}"
        yield Hostile(inner, json.dumps(envelope(inner, data={"name": inner, odd: 1})), "extra_forbidden")


GROUPS = {
    group.__name__: tuple(group())
    for group in (
        truncated,
        wrong_attributes,
        wrong_fields,
        bad_syntax,
        numbers,
        texts,
        repeated_keys,
        nesting,
        odd_names,
    )
}
"""The bodies of each group."""
