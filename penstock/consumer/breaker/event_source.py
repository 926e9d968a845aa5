"""The event source mapping that feeds the drain, and the mark that says who turned it off.

The breaker's mark is a tag on the mapping itself: it is there when the database is not, and an operator sees it. A
mapping that is off without it was turned off by somebody else, and is left alone. So is one with an operator's
mark, whatever the breaker has said of it besides.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from botocore.exceptions import ClientError

from penstock.aws import aws_client, fail_fast_config

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

MARK = "penstock:breaker"
OPERATOR_MARK = "penstock:operator"

ON = "Enabled"
OFF = "Disabled"
GOING_OFF = "Disabling"

_BUSY = {"ResourceInUseException", "ResourceConflictException"}


class MappingNotFound(Exception):
    """No single mapping answers to the name; the message says which name."""


def lambda_client() -> "LambdaClient":
    """Make a Lambda client whose calls take 3 s at most: the rest of an invocation has to do for several."""
    made: LambdaClient = aws_client("lambda", fail_fast_config(read_timeout=2, attempts=1))
    return made


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One event source mapping.

    Attributes:
        client: a boto3 Lambda client.
        uuid: the mapping's identifier.
        arn: its Amazon Resource Name, which its tags go by.
    """

    client: "LambdaClient"
    uuid: str
    arn: str

    @classmethod
    def find(
        cls, client: "LambdaClient", name: str, function_arn: str, source_arn: str | None = None
    ) -> "EventSourceMapping":
        """Find a mapping.

        Args:
            client: a boto3 Lambda client.
            name: its UUID, or the name of the function that it feeds: a function cannot be told the UUID by the
                template that makes both, since the mapping needs the function first.
            function_arn: any function of the same account and region.
            source_arn: the queue that it takes from; needed where several feed the function.

        Raises:
            MappingNotFound: no mapping, or more than one, feeds the function.
            botocore.exceptions.ClientError: Lambda refused.
        """
        uuid = name if _is_uuid(name) else _look_up(client, name, source_arn)
        home = function_arn.split(":")[:5]
        return cls(client, uuid, ":".join([*home, "event-source-mapping", uuid]))

    @property
    def marks(self) -> dict[str, str]:
        """What the breaker and an operator have said, by `MARK` and `OPERATOR_MARK`."""
        tags = self.client.list_tags(Resource=self.arn).get("Tags", {})
        return {name: tags[name] for name in (MARK, OPERATOR_MARK) if name in tags}

    @property
    def state(self) -> str:
        """Lambda's word for what it does: `Enabled`, `Disabled`, or on the way to something."""
        return self.client.get_event_source_mapping(UUID=self.uuid)["State"]

    def mark(self, why: str, name: str = MARK) -> None:
        """Say on the mapping that it was turned off, and why: by the breaker, or with another mark's name."""
        self.client.tag_resource(Resource=self.arn, Tags={name: why})

    def unmark(self, *names: str) -> None:
        """Take marks away."""
        self.client.untag_resource(Resource=self.arn, TagKeys=list(names))

    def release(self, *names: str) -> bool:
        """Take marks away, the breaker's too, once it is on; return False if it is off, and marked again.

        A consumer may trip the breaker in this very moment, and its mark be the one that was taken down.
        """
        self.unmark(*names)
        if self.state == ON:
            return True
        self.mark("tripped meanwhile")
        return False

    def switch(self, *, on: bool) -> bool:
        """Turn it on or off; return False if it is being changed already, by another consumer or a deployment."""
        try:
            self.client.update_event_source_mapping(UUID=self.uuid, Enabled=on)
        except ClientError as error:
            if code_of(error) not in _BUSY:
                raise
            return False
        return True


def code_of(error: Exception) -> str:
    """Name an error by its code, or its class: no text of anybody's."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


def _look_up(client: "LambdaClient", function: str, source_arn: str | None) -> str:
    of_source = {"EventSourceArn": source_arn} if source_arn else {}
    answer = client.list_event_source_mappings(FunctionName=function, **of_source)  # type: ignore[arg-type]
    found = [mapping["UUID"] for mapping in answer["EventSourceMappings"]]
    if len(found) != 1:
        raise MappingNotFound(f"{len(found)} event source mappings feed {function}")
    return found[0]


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
