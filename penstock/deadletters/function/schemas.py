"""The requests and answers of the function `dead-letters`."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from penstock.deadletters.condition import Condition
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.selector import Selector
from penstock.deadletters.stats import By

_Strings = Annotated[list[str], Field(max_length=1000)]


class Criteria(BaseModel):
    """Which dead letters to select; see `Selector.of`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ids: _Strings = []
    kinds: _Strings = []
    faults: _Strings = []
    sqlstates: _Strings = []
    fingerprints: _Strings = []
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    where: str | None = None

    def selector(self) -> Selector:
        """Return the selector.

        Raises:
            ValueError: there is no criterion, or one is invalid.
        """
        return Selector.of(
            ids=self.ids,
            kinds=self.kinds,
            faults=self.faults,
            sqlstates=self.sqlstates,
            fingerprints=self.fingerprints,
            since=_seconds(self.since),
            until=_seconds(self.until),
            where=None if self.where is None else Condition.parse(self.where),
        )


class _Request(BaseModel):
    """The fields of every request.

    Attributes:
        selector: which dead letters to select.
        all: true, instead of a selector, for all dead letters.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: Criteria | None = None
    all: bool = False

    def to_selector(self) -> Selector:
        """Return the selector.

        Raises:
            ValueError: neither a selector nor `all` is given, or both, or the selector is invalid.
        """
        if (self.selector is None) != self.all:
            raise ValueError("say which dead letters: either `selector`, or `all`: true")
        return self.selector.selector() if self.selector else Selector.all()


class StatsRequest(_Request):
    """Count dead letters by kind, fault, fingerprint or age."""

    action: Literal["stats"]
    by: Annotated[list[By], Field(min_length=1)] = [By.KIND, By.FAULT, By.FINGERPRINT]


class ListRequest(_Request):
    """List dead letters, without their payloads."""

    action: Literal["list"]
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class ReplayRequest(_Request):
    """Send dead letters back to the queue.

    Attributes:
        actor: the name that the caller gives; it is recorded.
        limit: the maximum number to send.
        rate: the maximum rate in messages per second.
        max_replays: dead letters that have been replayed this often are left.
    """

    action: Literal["replay"]
    actor: Annotated[str, Field(min_length=1, max_length=200)]
    limit: Annotated[int, Field(ge=1)] | None = None
    rate: Annotated[float, Field(ge=0.01, allow_inf_nan=False)] | None = None
    max_replays: Annotated[int, Field(ge=1)] | None = None


Request = Annotated[StatsRequest | ListRequest | ReplayRequest, Field(discriminator="action")]


def row_of(found: DeadLetterMessage) -> dict[str, Any]:
    """Return one dead letter as a row, without its payload."""
    letter = found.letter
    return {
        "message_id": found.message.message_id,
        "id": found.id,
        "kind": found.kind,
        "origin": str(found.origin),
        "reason": letter.reason if letter else None,
        "detail": letter.detail if letter else None,
        "fingerprint": letter.fingerprint if letter else None,
        "replays": found.replays,
        "sent_at": found.message.sent_at,
    }


def _seconds(time: datetime | None) -> float | None:
    return time.timestamp() if time else None
