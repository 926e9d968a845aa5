"""What the function `migrate` reads of the ledger for an audit: counts, and states of intents, page by page."""

from typing import Annotated, Any, Final, Literal
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError
from sqlalchemy import Connection

from penstock.database.ledger_entries import LedgerState, count_outcomes, find_states, page_unsettled
from penstock.settings import SettingsError

PAGE: Final = 5000
"""The most states of one answer: it stays far below the 6 MB that Lambda returns (AWS, "Lambda quotas")."""

STATES: Final = TypeAdapter(list[LedgerState])
"""The form of states in an answer."""


class _Read(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class _ReadCounts(_Read):
    read: Literal["counts"]
    since: AwareDatetime

    def answer(self, connection: Connection) -> dict[str, Any]:
        return {"counts": count_outcomes(connection, self.since)}


class _ReadStates(_Read):
    read: Literal["states"]
    ids: Annotated[list[UUID], Field(max_length=PAGE)]

    def answer(self, connection: Connection) -> dict[str, Any]:
        return _states([*find_states(connection, self.ids).values()])


class _ReadUnsettled(_Read):
    read: Literal["unsettled"]
    since: AwareDatetime
    after: UUID | None = None

    def answer(self, connection: Connection) -> dict[str, Any]:
        return _states(page_unsettled(connection, self.since, after=self.after, size=PAGE))


Read = _ReadCounts | _ReadStates | _ReadUnsettled
_REQUEST: TypeAdapter[Read] = TypeAdapter(Annotated[Read, Field(discriminator="read")])


def parse_read(request: dict[str, Any]) -> Read:
    """Parse a request.

    Raises:
        penstock.settings.SettingsError: it is none.
    """
    try:
        return _REQUEST.validate_python(request)
    except ValidationError as error:
        fields = ", ".join(sorted({".".join(map(str, one["loc"])) or "read" for one in error.errors()}))
        raise SettingsError(f"an event of the action 'ledger' is wrong in: {fields}") from None


def _states(states: list[LedgerState]) -> dict[str, Any]:
    return {"states": STATES.dump_python(states, mode="json")}
