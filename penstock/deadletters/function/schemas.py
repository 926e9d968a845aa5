"""What the dead letters' function is asked, and what it answers."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from penstock.deadletters.condition import Where
from penstock.deadletters.message import DeadLetterMessage
from penstock.deadletters.selector import Selector
from penstock.deadletters.stats import By

_Words = Annotated[list[str], Field(max_length=1000)]


class Criteria(BaseModel):
    """Which dead letters are meant; see `Selector.of`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    ids: _Words = []
    kinds: _Words = []
    faults: _Words = []
    sqlstates: _Words = []
    fingerprints: _Words = []
    since: AwareDatetime | None = None
    until: AwareDatetime | None = None
    where: str | None = None

    def selector(self) -> Selector:
        """Return the selector.

        Raises:
            ValueError: there is no criterion, or one cannot be read.
        """
        return Selector.of(
            ids=self.ids,
            kinds=self.kinds,
            faults=self.faults,
            sqlstates=self.sqlstates,
            fingerprints=self.fingerprints,
            since=_seconds(self.since),
            until=_seconds(self.until),
            where=None if self.where is None else Where.parse(self.where),
        )


class _Request(BaseModel):
    """What every request has.

    Attributes:
        selector: which dead letters are meant.
        all: said in place of a selector.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    selector: Criteria | None = None
    all: bool = False

    def meant(self) -> Selector:
        """Return the selector.

        Raises:
            ValueError: neither a selector nor `all` is given, or both, or one that cannot be read.
        """
        if (self.selector is None) != self.all:
            raise ValueError("say which dead letters: either `selector`, or `all`: true")
        return self.selector.selector() if self.selector else Selector.all()


class StatsRequest(_Request):
    """Count dead letters by what they have in common."""

    action: Literal["stats"]
    by: Annotated[list[By], Field(min_length=1)] = [By.KIND, By.FAULT, By.FINGERPRINT]


class ListRequest(_Request):
    """List dead letters, without their payloads."""

    action: Literal["list"]
    limit: Annotated[int, Field(ge=1, le=1000)] = 100


class ReplayRequest(_Request):
    """Send dead letters back to the queue.

    Attributes:
        actor: who asks, as far as the caller says; it is recorded as that.
        limit: how many are sent at most.
        rate: how many are sent per second at most.
        max_replays: those that have been replayed this often are left.
    """

    action: Literal["replay"]
    actor: Annotated[str, Field(min_length=1, max_length=200)]
    limit: Annotated[int, Field(ge=1)] | None = None
    rate: Annotated[float, Field(ge=0.01, allow_inf_nan=False)] | None = None
    max_replays: Annotated[int, Field(ge=1)] | None = None


Request = Annotated[StatsRequest | ListRequest | ReplayRequest, Field(discriminator="action")]


def row_of(found: DeadLetterMessage) -> dict[str, Any]:
    """Write down one dead letter, without its payload."""
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


def _seconds(moment: datetime | None) -> float | None:
    return moment.timestamp() if moment else None
