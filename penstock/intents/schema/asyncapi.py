"""The contract as an AsyncAPI 3.1 document: the queue is a channel, and each kind is a message.

The body of a message is a whole CloudEvents event (structured mode), so the payload is the schema of the envelope.
Schemas without a `schemaFormat` are those of AsyncAPI, a superset of JSON Schema draft-07.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from inspect import cleandoc
from typing import Any, Final
from urllib.parse import urlsplit

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue

from penstock.intents.envelope import envelope_of
from penstock.intents.intent import WriteIntent, kind_of

_REF: Final = "#/components/schemas/{model}"
_CHANNEL: Final = "writes"
_CLOUD_EVENT: Final = {
    "contentType": "application/cloudevents+json",
    "headers": {
        "type": "object",
        "description": "The message attributes. They are optional: the drain reads the body alone.",
        "properties": {"type": {"type": "string", "description": "The kind again, for people."}},
    },
    "externalDocs": {
        "description": "CloudEvents 1.0.2 in structured mode: the body is the whole event.",
        "url": "https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/formats/json-format.md",
    },
}


@dataclass(frozen=True, slots=True)
class DeployedQueue:
    """The queue of a stage.

    Attributes:
        stage: the name of the stage.
        url: the URL of the queue.
    """

    stage: str
    url: str

    def server(self) -> dict[str, Any]:
        """Describe the server that has the queue."""
        parts = urlsplit(self.url)
        return {"host": parts.netloc, "pathname": parts.path.rpartition("/")[0] or "/", "protocol": "sqs"}

    def address(self) -> dict[str, Any]:
        """Describe where the channel is on the server."""
        name = self.url.rpartition("/")[2]
        queue = {"name": name, "fifoQueue": name.endswith(".fifo")}
        return {
            "address": name,
            "servers": [{"$ref": f"#/servers/{self.stage}"}],
            "bindings": {"sqs": {"queue": queue}},
        }


def describe(
    intents: Iterable[type[WriteIntent]], *, title: str, version: str, queue: DeployedQueue | None = None
) -> dict[str, Any]:
    """Describe kinds as one AsyncAPI 3.1 document.

    Args:
        intents: the kinds.
        title: the service's name.
        version: the version of the contract.
        queue: the queue; without it the channel has no address.
    """
    ordered = sorted(intents, key=kind_of)
    payloads, schemas = _schemas(ordered)
    messages = {kind_of(intent): f"#/components/messages/{kind_of(intent)}" for intent in ordered}
    channel: dict[str, Any] = queue.address() if queue else {"address": None}
    return {
        "asyncapi": "3.1.0",
        "info": {"title": title, "version": version},
        "defaultContentType": "application/cloudevents+json",
        **({"servers": {queue.stage: queue.server()}} if queue else {}),
        "channels": {
            _CHANNEL: {
                **channel,
                "description": "The SQS queue of write intents. A message, an event or a batch, may come twice.",
                "messages": {kind: {"$ref": ref} for kind, ref in messages.items()},
            }
        },
        "operations": {
            "drain": {
                "action": "receive",
                "channel": {"$ref": f"#/channels/{_CHANNEL}"},
                "summary": "Write each intent to the database once.",
                "messages": [{"$ref": f"#/channels/{_CHANNEL}/messages/{kind}"} for kind in messages],
            }
        },
        "components": {
            "messages": {kind_of(intent): _message(intent, payloads[kind_of(intent)]) for intent in ordered},
            "messageTraits": {"CloudEvent": _CLOUD_EVENT},
            "schemas": schemas,
        },
    }


def _message(intent: type[WriteIntent], payload: dict[str, Any]) -> dict[str, Any]:
    # Not `getdoc`, which would return the text of the class above.
    summary = cleandoc(intent.__doc__ or "").partition("\n")[0]
    return {
        "name": kind_of(intent),
        "title": intent.__name__,
        **({"summary": summary} if summary else {}),
        "traits": [{"$ref": "#/components/messageTraits/CloudEvent"}],
        "payload": payload,
    }


def _schemas(intents: list[type[WriteIntent]]) -> tuple[dict[str, dict[str, Any]], dict[str, Any]]:
    """Return the payload of each kind, and the schemas that payloads refer to."""
    inputs: Any = [(kind_of(intent), "validation", TypeAdapter(envelope_of(intent))) for intent in intents]
    made, definitions = TypeAdapter.json_schemas(inputs, ref_template=_REF, schema_generator=_Draft7)
    return {kind: schema for (kind, _), schema in made.items()}, definitions.get("$defs", {})


class _Draft7(GenerateJsonSchema):
    """Writes tuples as draft-07 has them; Pydantic writes those of draft 2020-12."""

    def tuple_schema(self, schema: Any) -> JsonSchemaValue:
        made = super().tuple_schema(schema)
        if "prefixItems" not in made:
            return made
        first = made.pop("prefixItems")
        rest = {"additionalItems": made.pop("items")} if "items" in made else {}
        return {**made, "items": first, **rest}
