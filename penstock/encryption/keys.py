"""The interface of a key service, which makes data keys and unwraps them."""

from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol


class KeyProblem(Enum):
    """Why a key cannot be had, by what helps."""

    UNAVAILABLE = "unavailable"
    """The service does not answer, or has had too many calls: try again."""
    DENIED = "denied"
    """The permissions or the state of the key have to be corrected first."""
    LOST = "lost"
    """The key that wrapped it was deleted."""
    ALTERED = "altered"
    """It is no wrapped key of this service."""


class KeyServiceError(Exception):
    """A data key cannot be had. The text has the code of the service, and no key.

    Attributes:
        problem: what helps.
        code: the error code of the service.
    """

    def __init__(self, problem: KeyProblem, code: str) -> None:
        super().__init__(f"{problem.value}: {code}")
        self.problem = problem
        self.code = code


@dataclass(frozen=True, slots=True)
class DataKey:
    """A key of 256 bits, plain and wrapped."""

    plain: bytes = field(repr=False)
    wrapped: bytes = field(repr=False)


class KeyService(Protocol):
    """Makes data keys, and unwraps them. Threads may share it."""

    def generate(self) -> DataKey:
        """Make a new data key.

        Raises:
            KeyServiceError: the service refuses or does not answer.
        """

    def unwrap(self, wrapped: bytes) -> bytes:
        """Return the plain key of a wrapped one.

        Raises:
            KeyServiceError: the service refuses or does not answer.
        """
