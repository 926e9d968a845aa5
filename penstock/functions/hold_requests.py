"""What can be done with holds, as requests: the function `migrate` answers them, and so does a command itself."""

from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Connection

from penstock.database.holds import (
    Hold,
    Parked,
    begin_release,
    end_release,
    forget,
    is_held,
    list_holds,
    page_parked,
    set_hold,
)
from penstock.settings import SettingsError

PAGE: Final = 100
"""The most messages of one answer."""

HOLDS_TYPE: Final = TypeAdapter(list[Hold])
PARKED_TYPE: Final = TypeAdapter(list[Parked])
"""The forms of holds and of messages in an answer."""


class _Request(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _List(_Request):
    call: Literal["list"]

    def answer(self, connection: Connection) -> dict[str, Any]:
        return {"holds": HOLDS_TYPE.dump_python(list_holds(connection), mode="json")}


class _Set(_Request):
    call: Literal["set"]
    kind: str
    reason: str | None
    actor: str

    def answer(self, connection: Connection) -> dict[str, Any]:
        set_hold(connection, self.kind, self.reason, self.actor)
        return {}


class _Begin(_Request):
    call: Literal["begin"]
    kind: str

    def answer(self, connection: Connection) -> dict[str, Any]:
        return {"known": begin_release(connection, self.kind)}


class _Page(_Request):
    call: Literal["page"]
    kind: str
    size: Annotated[int, Field(ge=1, le=PAGE)]

    def answer(self, connection: Connection) -> dict[str, Any]:
        messages = page_parked(connection, self.kind, self.size)
        return {"held": is_held(connection, self.kind), "messages": PARKED_TYPE.dump_python(messages, mode="json")}


class _Forget(_Request):
    call: Literal["forget"]
    message_ids: Annotated[list[str], Field(max_length=PAGE)]

    def answer(self, connection: Connection) -> dict[str, Any]:
        forget(connection, self.message_ids)
        return {}


class _End(_Request):
    call: Literal["end"]
    kind: str
    actor: str
    sent: int

    def answer(self, connection: Connection) -> dict[str, Any]:
        return {"ended": end_release(connection, self.kind, self.actor, self.sent)}


HoldRequest = _List | _Set | _Begin | _Page | _Forget | _End
_REQUEST: TypeAdapter[HoldRequest] = TypeAdapter(Annotated[HoldRequest, Field(discriminator="call")])


def parse_hold_request(request: dict[str, Any]) -> HoldRequest:
    """Parse a request.

    Raises:
        penstock.settings.SettingsError: it is none.
    """
    try:
        return _REQUEST.validate_python(request)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, one["loc"])) or "call" for one in error.errors()}))
        raise SettingsError(f"an event of the action 'holds' is wrong in: {fields}") from None
