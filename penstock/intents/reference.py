"""The claim check: an envelope that is too large for a message rests elsewhere, and the message refers to it.

The message is the envelope's head without `data`. The extension attribute `dataref` (CloudEvents, "Dataref (Claim
Check Pattern)") says where the whole envelope is, as it would have been sent; two more say its size and SHA-256.
"""

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penstock.intents.envelope import CONFIG, Envelope

REFERENCE_LIMIT = 8192
"""The most characters of a message that is looked at as a reference."""

_MARK = '"dataref"'


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class Reference(Envelope[None]):
    """What a message says of an envelope that rests elsewhere: its head, and where it is.

    Attributes:
        data: nothing.
        dataref: where the whole envelope is, `s3://BUCKET/KEY`.
        datasize: how many bytes it has.
        datadigest: its SHA-256, `sha256:` and 64 hexadecimal digits in lower case.
    """

    data: None = None
    dataref: Annotated[str, Field(max_length=1000)]
    datasize: Annotated[int, Field(ge=1)]
    datadigest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


def may_refer(text: str) -> bool:
    """Tell, in no time, whether a text may be a reference at all."""
    return _MARK in text and len(text) <= REFERENCE_LIMIT


def read_reference(text: str) -> Reference | None:
    """Read a reference; None if the text is none, or not a right one."""
    try:
        return _REFERENCE.validate_json(text)
    except ValidationError:
        return None


_REFERENCE: TypeAdapter[Reference] = TypeAdapter(Reference)
