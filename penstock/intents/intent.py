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
_TAKEN = {*_IDENTITY, "intent_ordering_key", "intent_kind", "intent_version", "intent_aliases", "upgrader"}

Upgrader: TypeAlias = Callable[[dict[str, Any]], dict[str, Any]]
"""Makes the data of one version into that of the next: values as JSON has them, by their names on the wire."""


class WriteIntent(BaseModel):
    """What should be written. Subclass it with a kind and with the fields that the write needs.

        class StockAdjusted(WriteIntent, kind="stock.adjusted"):
            sku: str
            delta: int

    The fields are checked strictly (`"2"` is no integer; see Pydantic's strict mode) and unknown ones are
    refused. The kind is the stable name of this intent on the wire: lower case words joined by `.`, `-` or `_`.

    On the wire bytes are base64 of the URL-safe alphabet (RFC 4648, section 5), and a timedelta is an ISO 8601
    duration in which a year (`Y`) is 365 days and nothing else.

    Whoever changes the fields raises the version, and says how the data of the one before is read:

        class StockAdjusted(WriteIntent, kind="stock.adjusted", version=2, aliases=("stock.changed",)):
            sku: str
            delta: int
            warehouse: str

        @StockAdjusted.upgrader(1)
        def _(data: dict[str, Any]) -> dict[str, Any]:
            return data | {"warehouse": "main"}

    A message under one of the `aliases`, the oldest first, is read as well and becomes the present kind.

    An intent has an id and a time from the first moment that either is asked for. Both stay with the object,
    so that emitting it again is the same intent; neither takes part in a comparison.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        allow_inf_nan=False,
        hide_input_in_errors=True,
        ser_json_bytes="base64",
        val_json_bytes="base64",
        # Written as they are, so that `unstorable` finds them where the type says nothing (Any); never null.
        ser_json_inf_nan="constants",
    )

    intent_kind: ClassVar[str]
    """The stable name of this class of intents."""
    intent_version: ClassVar[int] = 1
    """Which version of the kind this class is."""
    intent_aliases: ClassVar[tuple[str, ...]] = ()
    """The names that the kind had before, the oldest first."""
    _upgraders: ClassVar[dict[int, Upgrader]] = {}

    def __init_subclass__(
        cls, *, kind: str | None = None, version: int = 1, aliases: str | Iterable[str] = (), **kwargs: Any
    ) -> None:
        """Give the class its kind.

        Args:
            kind: the stable name; without one the class has that of the class it is made of.
            version: counts the changes of the fields; a rename of the kind leaves it as it is.
            aliases: the names that the kind had before, the oldest first.
            kwargs: Pydantic's own.

        Raises:
            TypeError: a name is not of the form that kinds have, or the version is not one.
        """
        super().__init_subclass__(**kwargs)
        names = (aliases,) if isinstance(aliases, str) else tuple(aliases)
        if kind is None:
            if names or version != 1:
                raise TypeError(f"{cls.__name__}: a version or a former name goes with a kind")
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
        """Refuse fields that would hide what every intent has."""
        super().__pydantic_init_subclass__(**kwargs)
        hidden = cls.model_fields.keys() & _TAKEN
        if hidden:
            raise TypeError(f"{cls.__name__}: a field may not be named {' or '.join(sorted(hidden))}")

    @classmethod
    def upgrader(cls, version: int) -> Callable[[Upgrader], Upgrader]:
        """Register a function that makes the data of `version` into that of the next one.

        It gets the data as it came, unchecked, in a dict that it may change, and returns it. It must be pure: of
        the same data it always makes the same, or a repetition would be taken for something else. What it returns
        is upgraded further, up to this class's own version, and then validated like any other.

        Raises:
            TypeError: the class has no kind, there is no such step, or the step has its upgrader.
        """
        kind = kind_of(cls)
        if type(version) is not int or not 1 <= version < cls.intent_version:
            raise TypeError(
                f"{cls.__name__}: {kind!r} is at version {cls.intent_version}: nothing upgrades from {version!r}"
            )
        if version in cls._upgraders:
            raise TypeError(f"{cls.__name__}: version {version} has its upgrader already")

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
        """When the intent was stated, in UTC."""
        return datetime.now(UTC)

    @property
    def intent_ordering_key(self) -> str | None:
        """What the intent keeps its place among, on a FIFO queue; override it with a property."""
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
        TypeError: the class was made without a kind.
    """
    kind: str | None = getattr(intent, "intent_kind", None)
    if kind is None:
        name = getattr(intent, "__name__", type(intent).__name__)
        raise TypeError(f'{name} has no kind: declare it as `class {name}(WriteIntent, kind="...")`')
    return kind
