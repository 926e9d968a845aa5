"""A point in time that Postgres can hold, however its sender wrote it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, AwareDatetime, BeforeValidator, Field, ValidationInfo
from pydantic_core import PydanticCustomError

_DATE_FIRST = re.compile(r"\d{4}-")


def _written_out(value: Any, info: ValidationInfo) -> Any:
    """Refuse what a validator of dates would guess at: seconds since the epoch, as a number or in quotes."""
    text = info.mode == "json" and isinstance(value, str) and _DATE_FIRST.match(value)
    if text or isinstance(value, datetime):
        return value
    raise PydanticCustomError("instant", "Input should be a date and time with an offset (RFC 3339)")


def _in_utc(value: datetime) -> datetime:
    """Write it in UTC: Postgres takes no offset of 16 hours or more, Python no year outside of 1 to 9999."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant_range", "Input should be in the years 1 to 9999, in UTC") from None


# Not strict: after a validator in Python a text of JSON's is a text of Python's, which strictness would refuse.
Instant = Annotated[AwareDatetime, Field(strict=False), BeforeValidator(_written_out), AfterValidator(_in_utc)]
"""A date and time with an offset, as RFC 3339 writes it; kept in UTC."""
