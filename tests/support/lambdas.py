"""A Lambda in memory, with one event source mapping."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import ClientError

from penstock.consumer.breaker.event_source import MARK

MAPPING = "0199aa00-0000-7000-8000-000000000001"
ARN = f"arn:aws:lambda:eu-central-1:000000000000:event-source-mapping:{MAPPING}"
FUNCTION = "shop-dev-drain"


def refusal(code: str) -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": "hunter2"}}, "Operation")


@dataclass
class LambdaStub:
    """A Lambda with one event source mapping. The calls in `refusals` raise."""

    on: bool = True
    tags: dict[str, str] = field(default_factory=dict)
    fed: str = FUNCTION
    feeds: list[str] = field(default_factory=lambda: [MAPPING])
    refusals: dict[str, Exception] = field(default_factory=dict)
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    before: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.time
    modified_at: float = 0.0

    @property
    def named(self) -> list[str]:
        return [name for name, _ in self.calls]

    @property
    def marked(self) -> bool:
        return MARK in self.tags

    def __getattr__(self, name: str) -> Any:
        def call(**arguments: Any) -> Any:
            self.before()
            self.calls.append((name, arguments))
            if name in self.refusals:
                raise self.refusals[name]
            return getattr(self, f"_{name}")(**arguments)

        return call

    def _list_event_source_mappings(self, FunctionName: str, EventSourceArn: str) -> Any:  # noqa: N803
        assert FunctionName == self.fed
        assert ":sqs:" in EventSourceArn
        return {"EventSourceMappings": [{"UUID": uuid} for uuid in self.feeds]}

    def _get_event_source_mapping(self, UUID: str) -> Any:  # noqa: N803
        assert UUID == MAPPING
        modified_at = datetime.fromtimestamp(self.modified_at, UTC)
        return {"State": "Enabled" if self.on else "Disabled", "LastModified": modified_at}

    def _update_event_source_mapping(self, UUID: str, Enabled: bool) -> None:  # noqa: N803
        assert UUID == MAPPING
        self.on, self.modified_at = Enabled, self.clock()

    def _list_tags(self, Resource: str) -> Any:  # noqa: N803
        assert Resource == ARN
        return {"Tags": dict(self.tags)}

    def _tag_resource(self, Resource: str, Tags: dict[str, str]) -> None:  # noqa: N803
        assert Resource == ARN
        self.tags |= Tags

    def _untag_resource(self, Resource: str, TagKeys: list[str]) -> None:  # noqa: N803
        assert Resource == ARN
        for key in TagKeys:
            self.tags.pop(key, None)
