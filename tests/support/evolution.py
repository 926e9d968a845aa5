"""Envelopes, errors and classes of intents for tests of changed kinds."""

import json
from collections.abc import Mapping
from typing import Any
from uuid import uuid4

import pytest
from pydantic import create_model

from penstock import WriteIntent
from penstock.intents import Contract, EnvelopeError

NOW = "2026-11-20T10:00:00Z"


Data = dict[str, Any]


def event(kind: str, data: Any, **more: Any) -> str:
    """Write an envelope without the framework, as another sender would."""
    head = {"specversion": "1.0", "id": str(uuid4()), "source": "/test", "type": kind, "time": NOW}
    return json.dumps(head | {"data": data} | more)


def fault_of(text: str, contract: Contract) -> EnvelopeError:
    """Return the error of decoding an invalid envelope."""
    with pytest.raises(EnvelopeError) as caught:
        contract.decode(text)
    return caught.value


def kind_with(fields: Mapping[str, Any], name: str = "made", **options: Any) -> type[WriteIntent]:
    """Make a class of intents. Each field is given as its type, or as its type and its default."""
    given = {name: type_ if isinstance(type_, tuple) else (type_, ...) for name, type_ in fields.items()}
    make: Any = create_model
    made: type[WriteIntent] = make("Made", __base__=WriteIntent, __cls_kwargs__={"kind": name, **options}, **given)
    return made
