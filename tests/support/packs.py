"""Packs of intents, batches of other senders, and what a pack may look like."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from penstock import WriteIntent
from penstock.intents import encode_envelope, kind_of
from penstock.intents.encoding import encode_data
from penstock.intents.packs import PackRow, PackWriter

SOURCE = "/test"


def single(intent: WriteIntent) -> str:
    """Write the envelope of an intent, as `emit` does."""
    return encode_envelope(intent, id=intent.intent_id, source=SOURCE)


def pack(intents: Sequence[WriteIntent], expiries: Sequence[str | None] = ()) -> str:
    """Write a pack of intents of one kind, as `emit_many` does."""
    first = intents[0]
    writer = PackWriter(
        {
            "source": SOURCE,
            "type": kind_of(first),
            "datacontenttype": "application/json",
            "dataversion": first.intent_version,
        }
    )
    for number, intent in enumerate(intents):
        data = encode_data(intent, id=intent.intent_id)
        expiry = expiries[number] if expiries else None
        writer.add(PackRow.of(str(intent.intent_id), intent.intent_time.isoformat(), expiry, data))
    return writer.text()


def batch(texts: Iterable[str]) -> str:
    """Write a batch of events in the JSON batch format of CloudEvents."""
    return f"[{','.join(texts)}]"


def changed(text: str, **changes: Any) -> str:
    """Change members of a pack; None leaves one out."""
    return json.dumps({k: v for k, v in (json.loads(text) | changes).items() if v is not None})


def columns(texts: Sequence[str]) -> str:
    """Write envelopes of one kind and source as a pack, whatever their data is."""
    rows = [json.loads(text) for text in texts]
    own = ("id", "time", "data")
    shared = {name: value for name, value in rows[0].items() if name not in own}
    return json.dumps({"penstockpack": 1, **shared, **{name: [row[name] for row in rows] for name in own}})
