"""Texts for hostile bodies: what is not JSON, what is no object, and what a database might mistake."""

import json
from typing import Any

LANDS = "lands"
GONE = object()
"""Stands for an attribute that is left out."""


def envelope(name: str, **changes: Any) -> dict[str, Any]:
    event: dict[str, Any] = {
        "specversion": "1.0",
        "id": f"hostile {name}",
        "source": "/hostile",
        "type": "thing.made",
        "time": "2026-11-20T10:00:00Z",
        "data": {"name": name},
    }
    return {key: value for key, value in (event | changes).items() if value is not GONE}


NOT_JSON = {
    "a space": " ",
    "a line break": "\n",
    "a word": "hello",
    "a comma too many": '{"a": 1,}',
    "a list with a comma": "[1,]",
    "a comment": '{"a": 1} // comment',
    "a block comment": '/* a */ {"a": 1}',
    "single quotes": "{'a': 1}",
    "no quotes": "{a: 1}",
    "a byte order mark": "\ufeff{}",
    "two objects": "{}{}",
    "two lines": '{"a": 1}\n{"a": 2}',
    "a plus sign": '{"a": +1}',
    "a leading zero": '{"a": 01}',
    "a leading point": '{"a": .5}',
    "a trailing point": '{"a": 5.}',
    "hexadecimal": '{"a": 0x10}',
    "an underscore": '{"a": 1_000}',
    "no exponent": '{"a": 1e}',
    "a minus sign alone": '{"a": -}',
    "True": '{"a": True}',
    "None": '{"a": None}',
    "undefined": '{"a": undefined}',
    "a line break in a text": '{"a": "b\nc"}',
    "a tab in a text": '{"a": "b\tc"}',
    "an unknown escape": '{"a": "\\x41"}',
    "half an escape": '{"a": "\\u12"}',
    "an escape of letters": '{"a": "\\uzzzz"}',
    "an open text": '{"a": "b',
    "an open list": "[[[",
    "a closing brace": "}",
    "a colon alone": '{"a":}',
    "no colon": '{"a" 1}',
    "a key of a number": "{1: 2}",
    "XML": "<event/>",
    "YAML": "specversion: '1.0'",
    "a form": "specversion=1.0&id=1",
    "base64": "eyJhIjogMX0=",
    "UTF-7": "+AHs-",
    "a no-break space": "\xa0{}",
    "nesting, 100,000 lists": "[" * 100_000,
    "nesting, 100,000 objects": '{"a":' * 100_000,
}
IMPOSSIBLE = {
    "nothing": "",
    "a control character": '{"a": "\x01"}',
    "UTF-16": json.dumps(envelope("x")).encode("utf-16-le").decode("latin-1"),
    "UTF-32": json.dumps(envelope("x")).encode("utf-32-le").decode("latin-1"),
    "a form feed": "\x0c{}",
    "a NUL": "\x00",
    "a NUL at the end": "{}\x00",
}
"""Bodies that SQS does not accept, and that only a broken test sends. They are not JSON, too."""

NO_OBJECT = {
    "null": "null",
    "true": "true",
    "a number": "42",
    "a fraction": "-1.5e3",
    "a text": '"hello"',
    "a text that is an envelope": json.dumps(json.dumps(envelope("x"))),
    "an empty list": "[]",
    "a list of a list of envelopes": json.dumps([[envelope("x")]]),
    "a list of lists": "[[[[]]]]",
    "a number without end": "9" * 4000,
}

TEXTS = {
    "a NUL": ("\\u0000", "invalid-data: data.name nul_character"),
    "a NUL in the middle": ("a\\u0000b", "invalid-data: data.name nul_character"),
    "half a pair": ("\\ud83d", "not-json"),
    "the other half": ("\\ude00", "not-json"),
    "a pair in the wrong order": ("\\ude00\\ud83d", "not-json"),
    "a pair": ("\\ud83d\\ude00", LANDS),
    "no characters": ("\\ufffe\\uffff", LANDS),
    "a byte order mark": ("\\ufeff", LANDS),
    "right to left": ("\\u202eabc", LANDS),
    "combining": ("e\\u0301\\u0301\\u0301", LANDS),
    "of no width": ("\\u200b\\u200d", LANDS),
    "control characters": ("\\u0001\\u001f\\u007f\\u0085", LANDS),
    "a line separator": ("\\u2028\\u2029", LANDS),
    "private use": ("\\ue000\\udbff\\udffd", LANDS),
    "an escaped slash": ("\\/\\b\\f\\n\\r\\t", LANDS),
    "SQL": ("'); DROP TABLE things; --", LANDS),
    "a template": ("{{7*7}} ${7*7} %s %(a)s", LANDS),
    "a parameter": (":name $1 ?", LANDS),
    "a backslash": ("\\\\x00 \\\\000", LANDS),
    "a list of Postgres": ('{NULL,\\"a\\"}', LANDS),
    "NULL": ("NULL \\\\N", LANDS),
}
