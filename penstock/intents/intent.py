"""The write intent: a typed, immutable statement of what should be written."""

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Self, TypeAlias
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from penstock.intents.ids import new_id

KIND_PATTERN = "[a-z][a-z0-9]*([._-][a-z0-9]+)*"
KIND_LIMIT = 100
_IDENTITY = ("intent_id", "intent_time")
_RESERVED = {*_IDENTITY, "intent_ordering_key", "intent_kind", "intent_version", "intent_aliases", "upgrader"}

Upgrader: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Converts data of one version to the next. The data has JSON values, by their names on the wire."""


class WriteIntent(BaseModel):
    """What should be written. A subclass has a kind and the fields that the write needs.

        class StockAdjusted(WriteIntent, kind="stock.adjusted"):
            sku: str
            delta: int

    The fields are validated strictly (`"2"` is not an integer; see strict mode in Pydantic). Unknown fields are
    refused. The kind is the stable name of the intent on the wire: lower case words joined by `.`, `-` or `_`.

    On the wire, bytes are base64 in the URL-safe alphabet (RFC 4648, section 5), and a timedelta is an ISO 8601
    duration in which a year (`Y`) is always 365 days.

    A change of the fields needs a new version, and an upgrader for data of the previous version:

        class StockAdjusted(WriteIntent, kind="stock.adjusted", version=2, aliases=("stock.changed",)):
            sku: str
            delta: int
            warehouse: str

        @StockAdjusted.upgrader(1)
        def _(data: dict[str, Any]) -> dict[str, Any]:
            return data | {"warehouse": "main"}

    `aliases` are former names of the kind, oldest first. Messages with such a name are decoded, too.

    The id and the time of an intent are set when they are first read. Both stay with the object: to emit it again
    is the same intent. Comparisons ignore both.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        # NaN and infinity are written as such, never as null: `unstorable` has to find them in fields of type Any.
        ser_json_inf_nan="constants",
    )

    intent_kind: ClassVar[str]
    """The stable name of this class of intents."""
    intent_version: ClassVar[int] = 1
    """The version of the kind."""
    intent_aliases: ClassVar[tuple[str, ...]] = ()
    """The former names of the kind, oldest first."""
    _upgraders: ClassVar[dict[int, Upgrader]] = {}

    def __init_subclass__(
        cls, *, kind: str | None = None, version: int = 1, aliases: str | Iterable[str] = (), **kwargs: Any
    ) -> None:
        """Give the class its kind.

        Args:
            kind: the stable name; without one the class has that of the class it is made of.
            version: increases with each change of the fields; a rename of the kind does not change it.
            aliases: the former names of the kind, oldest first.
            kwargs: the class arguments of Pydantic.

        Raises:
            TypeError: a name is not a valid kind, or the version is invalid.
        """
        super().__init_subclass__(**kwargs)
        names = (aliases,) if isinstance(aliases, str) else tuple(aliases)
        if kind is None:
            if names or version != 1:
                raise TypeError(f"{cls.__name__}: a version or an alias needs a kind")
            return
        for name in (kind, *names):
            _check_name(cls.__name__, name)
        if len({kind, *names}) <= len(names):
            raise TypeError(f"{cls.__name__}: a kind is named twice among {kind!r} and its aliases")
        if type(version) is not int or version < 1:
            raise TypeError(f"{cls.__name__}: the version {version!r} must be a whole number, 1 or greater")
        cls.intent_kind, cls.intent_version, cls.intent_aliases, cls._upgraders = kind, version, names, {}

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse fields that would hide an attribute of every intent."""
        super().__pydantic_init_subclass__(**kwargs)
        reserved = cls.model_fields.keys() & _RESERVED
        if reserved:
            raise TypeError(f"{cls.__name__}: a field may not be named {' or '.join(sorted(reserved))}")

    @classmethod
    def upgrader(cls, version: int) -> Callable[[Upgrader], Upgrader]:
        """Register a function that converts data of `version` to the next version.

        The function gets the data as it was received, not validated, in a dict that it may change. It must be
        pure: the same input always gives the same result, or a repeated message would look like another intent.
        The result is upgraded further, up to the version of this class, and then validated.

        Raises:
            TypeError: the class has no kind, `version` is not older than that of the class, or it already has an
                upgrader.
        """
        kind = kind_of(cls)
        if type(version) is not int or not 1 <= version < cls.intent_version:
            raise TypeError(
                f"{cls.__name__}: {kind!r} has version {cls.intent_version}: there is no upgrade from {version!r}"
            )
        if version in cls._upgraders:
            raise TypeError(f"{cls.__name__}: version {version} already has an upgrader")

        def register(upgrader: Upgrader) -> Upgrader:
            cls._upgraders[version] = upgrader
            return upgrader

        return register

    @cached_property
    def intent_id(self) -> UUID:
        """The id: a version 7 UUID."""
        return new_id()

    @cached_property
    def intent_time(self) -> datetime:
        """When the intent was created, in UTC."""
        return datetime.now(UTC)

    @property
    def intent_ordering_key(self) -> str | None:
        """The key within which a FIFO queue keeps the order. Override it with a property."""
        return None

    def __copy__(self) -> Self:
        """Copy the fields; a copy is a new intent."""
        copied = super().__copy__()
        for name in _IDENTITY:
            copied.__dict__.pop(name, None)
        return copied


def _check_name(class_name: str, kind: str) -> None:
    if not re.fullmatch(KIND_PATTERN, kind) or len(kind) > KIND_LIMIT:
        raise TypeError(
            f"{class_name}: kind {kind!r} must be lower case words joined by '.', '-' or '_', "
            f"{KIND_LIMIT} characters at most, such as 'stock.adjusted'"
        )


def kind_of(intent: WriteIntent | type[WriteIntent]) -> str:
    """Return the kind of an intent or of a class of intents.

    Raises:
        TypeError: the class has no kind.
    """
    kind: str | None = getattr(intent, "intent_kind", None)
    if kind is None:
        name = getattr(intent, "__name__", type(intent).__name__)
        raise TypeError(f'{name} has no kind: declare it as `class {name}(WriteIntent, kind="...")`')
    return kind


def oldest_name(intent: WriteIntent | type[WriteIntent]) -> str:
    """Return the oldest name of a kind, which stays the same when the kind is renamed.

    Raises:
        TypeError: the class has no kind.
    """
    return (*intent.intent_aliases, kind_of(intent))[0]
