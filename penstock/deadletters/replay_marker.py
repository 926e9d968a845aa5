"""The stamp of a replay: an attribute that goes with a message, and comes back with it should it die again."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Final, Self

from pydantic import Field, TypeAdapter, ValidationError

from penstock.queue import ATTRIBUTE_LIMIT, MESSAGE_LIMIT_BYTES, Attribute, Outgoing

REPLAY_ATTRIBUTE: Final = "penstock.replay"

_LETTERS_SHARE: Final = 1
"""Attributes that are left free: a dead letter without its reason would be worse than one without a stamp."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a message says of its replays.

    Attributes:
        count: how often it has been replayed.
        run: the run that replayed it last.
    """

    # A stamp is the sender's to forge: from below one it would take for ever to reach `--max-replays`.
    count: Annotated[int, Field(ge=1)]
    run: str

    @classmethod
    def read(cls, attributes: Mapping[str, Attribute]) -> Self | None:
        """Read a stamp; None where there is none or it is not one of ours."""
        stamped = attributes.get(REPLAY_ATTRIBUTE)
        try:
            found = _STAMP.validate_json(stamped.value) if stamped else None
        except ValidationError:
            return None
        return cls(found.count, found.run) if found else None

    def put_on(self, message: Outgoing) -> Outgoing:
        """Stamp a message, in place of an earlier stamp; one that has no room for it goes without."""
        bare = {name: value for name, value in message.attributes.items() if name != REPLAY_ATTRIBUTE}
        stamped = replace(
            message, attributes=bare | {REPLAY_ATTRIBUTE: Attribute(_STAMP.dump_json(self).decode())}
        )
        if len(stamped.attributes) + _LETTERS_SHARE > ATTRIBUTE_LIMIT or stamped.size > MESSAGE_LIMIT_BYTES:
            return replace(message, attributes=bare)
        return stamped


_STAMP = TypeAdapter(Stamp)
