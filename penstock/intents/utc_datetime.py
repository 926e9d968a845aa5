"""A point in time that Postgres can store, whatever offset the sender used."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError
from pydantic_core import core_schema as schema

_DATE_FIRST = r"^\d{4}-"
_UTC_PATTERN = _DATE_FIRST + r".*(Z|[+-]00:00)$"


def _require_date(value: Any) -> Any:
    """Refuse seconds since the epoch, as a number or a string, which Pydantic would accept as a time."""
    if isinstance(value, str) and re.match(_DATE_FIRST, value):
        return value
    raise ValueError("not a date and time")


def _to_utc(value: datetime) -> datetime:
    """Convert a time to UTC. Postgres accepts no offset of 16 hours or more, Python no year outside 1 to 9999."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant", _MESSAGE) from None


_MESSAGE = "Input should be a date and time with an offset (RFC 3339), in the years 1 to 9999 in UTC"


class _UtcDatetime:
    """The validator. It needs no call of a Python function for a time that is already in UTC, as most are."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> schema.CoreSchema:
        aware = schema.datetime_schema(tz_constraint="aware", strict=False)
        in_utc = schema.chain_schema([schema.str_schema(pattern=_UTC_PATTERN), aware])
        other = schema.no_info_before_validator_function(
            _require_date, schema.no_info_after_validator_function(_to_utc, aware)
        )
        return schema.json_or_python_schema(
            json_schema=schema.union_schema(
                [in_utc, other],
                mode="left_to_right",
                custom_error_type="instant",
                custom_error_message=_MESSAGE,
            ),
            python_schema=schema.no_info_after_validator_function(
                _to_utc, schema.datetime_schema(tz_constraint="aware", strict=True)
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


UtcDatetime = Annotated[AwareDatetime, _UtcDatetime]
"""A date and time with an offset, in the form of RFC 3339; it is converted to UTC."""
