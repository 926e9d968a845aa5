"""What a storm is: how many instances there are, and what each of them is asked and answers."""

from dataclasses import dataclass
from typing import NamedTuple
from uuid import UUID

ROLE = "storm"
"""The role that all contenders connect as, its database, and the table that they write to."""

FIRST_SECONDS = 1.0
"""All instances get their first request within this time: that is the spike."""


@dataclass(frozen=True, slots=True)
class Storm:
    """The load, the same for each contender.

    Attributes:
        instances: how many instances there are. Each has one user, who waits for each answer.
        seconds: for how long requests are sent.
        pause: the mean of the seconds between an answer and the next request of a user; each pause is between half
            of it and one and a half times it. With less, the contenders that connect for each request use up the
            processors, which callers and server share here: that is not what is to be measured.
        restart: whether Postgres is restarted in the middle.
    """

    instances: int = 1000
    seconds: float = 60.0
    pause: float = 15.0
    restart: bool = False

    @property
    def down_seconds(self) -> float:
        """From the beginning of the stop to the beginning of the start: 5 s in a storm of a minute."""
        return self.seconds / 12


class Request(NamedTuple):
    """What a user asks for: one row.

    Attributes:
        request_id: the id of the request, by which its row is found again.
        instance: the number of the instance.
        note: what else is in the row.
    """

    request_id: UUID
    instance: int
    note: str


class Answer(NamedTuple):
    """What the user got.

    Attributes:
        id: the id of the request.
        at: when the request was sent, in seconds after the start of the storm.
        seconds: how long the user waited.
        error: why the request failed; None if it was answered with success.
    """

    id: UUID
    at: float
    seconds: float
    error: str | None
