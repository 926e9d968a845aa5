"""The pack: many intents of one kind in one message.

A pack is a CloudEvent in which an attribute may be a column: an array with a value for each intent. All other
attributes are shared. CloudEvents itself has no attribute that is an array, so the two cannot be confused. The
first member, `penstockpack`, is the version of the format. A message may also be a batch of another sender: a JSON
array of events (CloudEvents, "JSON Batch Format"). docs/packs.md describes both.

Here packs are written, and split into the envelopes of their intents. `penstock.intents.pack_decoder` decodes one
as a whole, which is faster.
"""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple, Self

from penstock.expressions.exact_json import ExactJsonError, read, write
from penstock.intents.exact_numbers import MAYBE_INEXACT

ATTRIBUTE: Final = "penstockpack"
"""The attribute that makes an event a pack. Its value is the version of the format."""

VERSION: Final = 1

MOST_INTENTS: Final = 10_000
"""The most intents of a pack: as many as an invocation may get in messages of their own."""

SHARED_LIMIT: Final = 4096
"""The most characters of the shared attributes. Each intent that is sent alone gets a copy of them."""

_QUOTED: Final = f'"{ATTRIBUTE}"'
_QUOTES: Final = '","'
_NONCHARACTERS: Final = re.compile("[\ufffe\uffff]")
_TO_JSON: Final = json.JSONEncoder(ensure_ascii=False).encode


class PackError(Exception):
    """A text is a pack, but a malformed one. The message contains no value of the text.

    Attributes:
        fields: what is wrong, in words that contain no value.
    """

    def __init__(self, *fields: str) -> None:
        super().__init__(*fields)
        self.fields = fields


class PackRow(NamedTuple):
    """What an intent adds to a pack.

    Attributes:
        id: its id.
        time: when it was created.
        expiry: when it expires; None if it does not.
        data: its data.
        size: how many bytes of UTF-8 it takes, without the expiry.
    """

    id: str
    time: str
    expiry: str | None
    data: str
    size: int

    @classmethod
    def of(cls, id_: str, time: str, expiry: str | None, data: str) -> Self:
        """Make a row, with the data as `penstock.intents.encoding.encode_data` returned it."""
        length = len(data if data.isascii() else data.encode(errors="surrogatepass"))
        return cls(id_, time, expiry, data, len(id_) + len(time) + length + len('"",' * 2 + ","))

    @property
    def expiry_size(self) -> int:
        """How many bytes the expiry takes at most, if there is a column of them."""
        return len(self.expiry or "null") + len('"", ')


class PackWriter:
    """Collects the intents of one pack."""

    def __init__(self, shared: Mapping[str, Any]) -> None:
        """Begin a pack.

        Args:
            shared: the attributes that all of its intents have, without `specversion`.
        """
        self._shared = shared
        self._head = json.dumps({ATTRIBUTE: VERSION, "specversion": "1.0", **shared}, separators=(",", ":"))
        self._ids: list[str] = []
        self._times: list[str] = []
        self._expiries: list[str | None] = []
        self._data: list[str] = []
        self._rows = len(self._head) + len(',"id":[],"time":[],"data":[]')
        self._expiry_column = len(',"expirytime":[]')
        self._has_expiry = False

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def size(self) -> int:
        """How many bytes of UTF-8 the pack takes at most."""
        return self._rows + (self._expiry_column if self._has_expiry else 0)

    def size_with(self, row: PackRow) -> int:
        """Return how many bytes of UTF-8 the pack would take at most with another intent."""
        has_expiry = self._has_expiry or row.expiry is not None
        return self._rows + row.size + (self._expiry_column + row.expiry_size if has_expiry else 0)

    def add(self, row: PackRow) -> None:
        """Add an intent."""
        self._ids.append(row.id)
        self._times.append(row.time)
        self._expiries.append(row.expiry)
        self._data.append(row.data)
        self._rows += row.size
        self._expiry_column += row.expiry_size
        self._has_expiry = self._has_expiry or row.expiry is not None

    def text(self) -> str:
        """Return the pack; of a single intent its ordinary envelope."""
        if len(self) == 1:
            expiry = {"expirytime": self._expiries[0]} if self._expiries[0] else {}
            own = {"specversion": "1.0", **self._shared, "id": self._ids[0], "time": self._times[0], **expiry}
            return f'{json.dumps(own)[:-1]}, "data": {self._data[0]}}}'
        expiries = f',"expirytime":{json.dumps(self._expiries)}' if self._has_expiry else ""
        # Neither an id nor a time has a character that JSON escapes.
        columns = f',"id":["{_QUOTES.join(self._ids)}"],"time":["{_QUOTES.join(self._times)}"]{expiries}'
        return f'{self._head[:-1]}{columns},"data":[{",".join(self._data)}]}}'


def may_be_pack(text: str) -> bool:
    """Return whether a text may be a pack or a batch. This check is fast; only `split` is exact."""
    return _QUOTED in text or (not text.startswith("{") and text.lstrip()[:1] == "[")


def split(text: str) -> list[str] | None:
    """Split a pack or a batch into the texts of its envelopes, as if each had been sent alone.

    What is in the place of an envelope need not be one.

    Returns:
        The texts; None if the text is neither a pack nor a batch.

    Raises:
        PackError: it is a malformed pack.
    """
    try:
        value = read(text)
        members = _members(value)
        if members is None:
            return None
        # `write` keeps each digit and escapes what SQS refuses, but takes ten times as long.
        exact = "\\u" in text or _NONCHARACTERS.search(text) or MAYBE_INEXACT.search(text)
        return [write(member, sys.maxsize) if exact else _TO_JSON(member) for member in members]
    except ExactJsonError:  # Or nested too deep to be written again. A text that is no JSON is no pack.
        return None


def singles(text: str) -> list[str]:
    """Return the texts of the envelopes in a pack or a batch; of any other text, and a malformed pack, itself."""
    if not may_be_pack(text):
        return [text]
    try:
        return split(text) or [text]
    except PackError:
        return [text]


def _members(value: Any) -> list[Any] | None:
    if isinstance(value, dict) and value.get(ATTRIBUTE) is not None:
        return _rows(value)
    # An array without any event, such as one of numbers, is what another program put on the queue.
    if isinstance(value, list) and any(isinstance(one, dict) and "specversion" in one for one in value):
        _check_count(len(value))
        return value
    return None


def _rows(pack: Mapping[str, Any]) -> list[Any]:
    """Turn the columns into rows."""
    if pack[ATTRIBUTE] != VERSION or isinstance(pack[ATTRIBUTE], bool | float):
        raise PackError(f"{ATTRIBUTE} unknown_version")
    columns = {name: value for name, value in pack.items() if isinstance(value, list)}
    if missing := [f"{name} no_column" for name in ("id", "data") if name not in columns]:
        raise PackError(*missing)
    if len({len(column) for column in columns.values()}) > 1:
        raise PackError("columns unequal_lengths")
    _check_count(len(columns["id"]))
    shared = {name: value for name, value in pack.items() if name not in {*columns, ATTRIBUTE}}
    check_shared(len(json.dumps(shared)))
    return [_row(shared, columns, number) for number in range(len(columns["id"]))]


def _row(shared: Mapping[str, Any], columns: Mapping[str, Sequence[Any]], number: int) -> dict[str, Any]:
    row = {name: column[number] for name, column in columns.items()}
    # `data` comes last, as in an envelope of Penstock; and null is an attribute that the intent does not have.
    data = row.pop("data")
    return {**shared, **{name: value for name, value in row.items() if value is not None}, "data": data}


def _check_count(count: int) -> None:
    if not 1 <= count <= MOST_INTENTS:
        raise PackError(f"{'too_many' if count else 'no'}_intents")


def check_shared(length: int) -> None:
    """Check the length of the shared attributes.

    Raises:
        PackError: they are too long.
    """
    if length > SHARED_LIMIT:
        raise PackError("shared_attributes too_long")
