"""The write intent: a typed, immutable statement of what should be written."""

import re
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, ClassVar, Self
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from penstock.intents.ids import new_id

KIND_PATTERN = "[a-z][a-z0-9]*([._-][a-z0-9]+)*"
KIND_LIMIT = 100
_IDENTITY = ("intent_id", "intent_time")


class WriteIntent(BaseModel):
    """What should be written. Subclass it with a kind and with the fields that the write needs.

        class StockAdjusted(WriteIntent, kind="stock.adjusted"):
            sku: str
            delta: int

    The fields are checked strictly (`"2"` is no integer; see Pydantic's strict mode) and unknown ones are
    refused. The kind is the stable name of this intent on the wire: lower case words joined by `.`, `-` or `_`.

    On the wire bytes are base64 of the URL-safe alphabet (RFC 4648, section 5), and a timedelta is an ISO 8601
    duration in which a year (`Y`) is 365 days and nothing else.

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

    def __init_subclass__(cls, *, kind: str | None = None, **kwargs: Any) -> None:
        """Give the class its kind.

        Raises:
            TypeError: the kind is not of the form that kinds have.
        """
        super().__init_subclass__(**kwargs)
        if kind is None:
            return
        if not re.fullmatch(KIND_PATTERN, kind) or len(kind) > KIND_LIMIT:
            raise TypeError(
                f"{cls.__name__}: kind {kind!r} must be lower case words joined by '.', '-' or '_', "
                f"{KIND_LIMIT} characters at most, such as 'stock.adjusted'"
            )
        cls.intent_kind = kind

    @classmethod
    def __pydantic_init_subclass__(cls, **kwargs: Any) -> None:
        """Refuse fields that would hide what every intent has."""
        super().__pydantic_init_subclass__(**kwargs)
        hidden = cls.model_fields.keys() & {*_IDENTITY, "intent_kind"}
        if hidden:
            raise TypeError(f"{cls.__name__}: a field may not be named {' or '.join(sorted(hidden))}")

    @cached_property
    def intent_id(self) -> UUID:
        """The id: a version 7 UUID."""
        return new_id()

    @cached_property
    def intent_time(self) -> datetime:
        """When the intent was stated, in UTC."""
        return datetime.now(UTC)

    def __copy__(self) -> Self:
        """Copy the fields; a copy is a new intent."""
        copied = super().__copy__()
        for name in _IDENTITY:
            copied.__dict__.pop(name, None)
        return copied


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
