"""The claim check pattern: a large envelope is stored in S3, and the message refers to it.

The message is the envelope without `data`. The extension attribute `dataref` (CloudEvents, "Dataref (Claim Check
Pattern)") is the location of the whole envelope; two more attributes are its size and its SHA-256.
"""

from typing import Annotated

from pydantic import Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penstock.intents.envelope import CONFIG, Envelope

REFERENCE_LIMIT = 8192
"""The most characters of a reference. A longer message is not decoded as one."""

_ATTRIBUTE = '"dataref"'


@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class Reference(Envelope[None]):
    """The head of an envelope, with the location of the whole envelope.

    Attributes:
        data: always None.
        dataref: the location of the whole envelope, `s3://BUCKET/KEY`.
        datasize: its size in bytes.
        datadigest: its SHA-256, `sha256:` and 64 hexadecimal digits in lower case.
    """

    data: None = None
    dataref: Annotated[str, Field(max_length=1000)]
    datasize: Annotated[int, Field(ge=1)]
    datadigest: Annotated[str, Field(pattern="^sha256:[0-9a-f]{64}$")]


def may_refer(text: str) -> bool:
    """Return whether a text may be a reference. This check is fast; only `read_reference` is exact."""
    return _ATTRIBUTE in text and len(text) <= REFERENCE_LIMIT


def read_reference(text: str) -> Reference | None:
    """Decode a reference; None if the text is not a valid one."""
    try:
        return _REFERENCE.validate_json(text)
    except ValidationError:
        return None


_REFERENCE: TypeAdapter[Reference] = TypeAdapter(Reference)
