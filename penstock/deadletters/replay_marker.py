"""The marker of a replay: a message attribute that is still there if the message is dead-lettered again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Self

from pydantic import Field, TypeAdapter, ValidationError

from penstock.queue import ATTRIBUTE_LIMIT, MESSAGE_LIMIT_BYTES, Attribute, Outgoing

REPLAY_ATTRIBUTE: Final = "penstock.replay"

_RESERVED_ATTRIBUTES: Final = 1
"""Attributes left free for the drain: a dead letter without its reason is worse than one without a marker."""


@dataclass(frozen=True, slots=True)
class ReplayMarker:
    """The replays of a message.

    Attributes:
        count: how often it has been replayed.
        run: the id of the run that replayed it last.
    """

    # A sender can forge a marker. A negative count would defeat `--max-replays`.
    count: Annotated[int, Field(ge=1)]
    run: str

    @classmethod
    def read(cls, attributes: Mapping[str, Attribute]) -> Self | None:
        """Return the marker in a message's attributes; None if there is none or it is invalid."""
        attribute = attributes.get(REPLAY_ATTRIBUTE)
        try:
            marker = _MARKER.validate_json(attribute.value) if attribute else None
        except ValidationError:
            return None
        return cls(marker.count, marker.run) if marker else None

    def attach_to(self, message: Outgoing) -> Outgoing:
        """Return the message with this marker instead of an earlier one; without any if it has no room for one."""
        bare = {name: value for name, value in message.attributes.items() if name != REPLAY_ATTRIBUTE}
        marked = replace(
            message, attributes=bare | {REPLAY_ATTRIBUTE: Attribute(_MARKER.dump_json(self).decode())}
        )
        if len(marked.attributes) + _RESERVED_ATTRIBUTES > ATTRIBUTE_LIMIT or marked.size > MESSAGE_LIMIT_BYTES:
            return replace(message, attributes=bare)
        return marked


_MARKER = TypeAdapter(ReplayMarker)
