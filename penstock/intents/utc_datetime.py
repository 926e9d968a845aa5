"""A point in time that Postgres can hold, however its sender wrote it."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import PydanticCustomError
from pydantic_core import core_schema as schema

_DATE_FIRST = r"^\d{4}-"
_IN_UTC = _DATE_FIRST + r".*(Z|[+-]00:00)$"


def _written_out(value: Any) -> Any:
    """Refuse what a validator of dates would guess at: seconds since the epoch, as a number or in quotes."""
    if isinstance(value, str) and re.match(_DATE_FIRST, value):
        return value
    raise ValueError("not written out")


def _moved_to_utc(value: datetime) -> datetime:
    """Move a time to UTC: Postgres takes no offset of 16 hours or more, Python no year outside of 1 to 9999."""
    try:
        return value.astimezone(UTC)
    except OverflowError:
        raise PydanticCustomError("instant", _MESSAGE) from None


_MESSAGE = "Input should be a date and time with an offset (RFC 3339), in the years 1 to 9999 in UTC"


class _UtcDatetime:
    """The validator: what is written in UTC, as most is, is read without a call of Python's."""

    @classmethod
    def __get_pydantic_core_schema__(cls, _source: Any, _handler: GetCoreSchemaHandler) -> schema.CoreSchema:
        aware = schema.datetime_schema(tz_constraint="aware", strict=False)
        plain = schema.chain_schema([schema.str_schema(pattern=_IN_UTC), aware])
        moved = schema.no_info_before_validator_function(
            _written_out, schema.no_info_after_validator_function(_moved_to_utc, aware)
        )
        return schema.json_or_python_schema(
            json_schema=schema.union_schema(
                [plain, moved],
                mode="left_to_right",
                custom_error_type="instant",
                custom_error_message=_MESSAGE,
            ),
            python_schema=schema.no_info_after_validator_function(
                _moved_to_utc, schema.datetime_schema(tz_constraint="aware", strict=True)
            ),
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, _schema: schema.CoreSchema, _handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "format": "date-time"}


UtcDatetime = Annotated[AwareDatetime, _UtcDatetime]
"""A date and time with an offset, as RFC 3339 writes it; kept in UTC."""
