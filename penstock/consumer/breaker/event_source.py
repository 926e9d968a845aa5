"""The event source mapping that feeds the drain, and the mark that records who disabled it.

The breaker's mark is a tag on the mapping itself: it is readable while the database is away, and operators can see
it. If a mapping is disabled without the mark, someone else disabled it, and the probe leaves it alone. The probe
also leaves a mapping with an operator's mark alone, even if the breaker's mark is on it too.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final
from uuid import UUID

from botocore.exceptions import ClientError

from penstock.aws import aws_client, fail_fast_config

if TYPE_CHECKING:
    from mypy_boto3_lambda import LambdaClient

MARK = "penstock:breaker"
OPERATOR_MARK = "penstock:operator"

CLOSED: Final = "closed"
OPEN: Final = "open"
HALF_OPEN: Final = "half-open"
"""Positions of the breaker."""

BREAKER: Final = "breaker"
PROBE: Final = "probe"
OPERATOR: Final = "operator"
UNKNOWN: Final = "somebody"
"""Who moves the breaker; `somebody` is neither of the others: the mapping has no mark."""

ENABLED = "Enabled"
ENABLING = "Enabling"
DISABLED = "Disabled"
DISABLING = "Disabling"
"""States of an event source mapping (AWS Lambda API Reference, "GetEventSourceMapping")."""

_BUSY = {"ResourceInUseException", "ResourceConflictException"}


class MappingNotFound(Exception):
    """A function has no event source mapping, or several; the message names the function."""


def lambda_client() -> "LambdaClient":
    """Make a Lambda client whose calls take 3 s at most, since several must fit into the rest of an invocation."""
    client: LambdaClient = aws_client("lambda", fail_fast_config(read_timeout=2, attempts=1))
    return client


@dataclass(frozen=True, slots=True)
class EventSourceMapping:
    """One event source mapping.

    Attributes:
        client: a boto3 Lambda client.
        uuid: the mapping's identifier.
        arn: its Amazon Resource Name, by which AWS identifies its tags.
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
            name: its UUID, or the name of the function that it feeds. A CloudFormation template cannot pass the
                UUID to the function, since the mapping depends on the function.
            function_arn: the ARN by which the caller was invoked, of any function in the same account and region.
                If it is an alias of the function that the mapping feeds, the mapping is that of the alias.
            source_arn: the ARN of its queue; required if several mappings feed the function.

        Raises:
            MappingNotFound: no mapping, or more than one, feeds the function.
            botocore.exceptions.ClientError: Lambda refused the call.
        """
        uuid = name if _is_uuid(name) else _look_up(client, _qualified(name, function_arn), source_arn)
        arn_prefix = function_arn.split(":")[:5]
        return cls(client, uuid, ":".join([*arn_prefix, "event-source-mapping", uuid]))

    @property
    def marks(self) -> dict[str, str]:
        """The marks of the breaker and of an operator, by `MARK` and `OPERATOR_MARK`."""
        tags = self.client.list_tags(Resource=self.arn).get("Tags", {})
        return {name: tags[name] for name in (MARK, OPERATOR_MARK) if name in tags}

    @property
    def state(self) -> str:
        """Its state by Lambda's name: `Enabled`, `Disabled`, or a transition such as `Disabling`."""
        return self.client.get_event_source_mapping(UUID=self.uuid)["State"]

    @property
    def disabled_at(self) -> float | None:
        """When it was disabled or last updated, in seconds since the epoch; None if it is not disabled."""
        found = self.client.get_event_source_mapping(UUID=self.uuid)
        return found["LastModified"].timestamp() if found["State"] in {DISABLED, DISABLING} else None

    def mark(self, reason: str, name: str = MARK) -> None:
        """Set a mark on the mapping, by default the breaker's, with the reason why it is disabled."""
        self.client.tag_resource(Resource=self.arn, Tags={name: reason})

    def unmark(self, *names: str) -> None:
        """Remove marks."""
        self.client.untag_resource(Resource=self.arn, TagKeys=list(names))

    def clear_marks(self, *names: str) -> bool:
        """Remove marks, including the breaker's, from an enabled mapping.

        A consumer may trip the breaker at the same moment, and the mark that was removed may be the new one.

        Returns:
            Whether the mapping is still enabled; if it is not, the breaker's mark is set again.
        """
        self.unmark(*names)
        if self.state == ENABLED:
            return True
        self.mark("tripped meanwhile")
        return False

    def set_enabled(self, *, enabled: bool) -> bool:
        """Enable or disable the mapping.

        Returns:
            False if another consumer or a deployment is changing it at the moment; nothing is changed then.
        """
        try:
            self.client.update_event_source_mapping(UUID=self.uuid, Enabled=enabled)
        except ClientError as error:
            if code_of(error) not in _BUSY:
                raise
            return False
        return True


def code_of(error: Exception) -> str:
    """Return the error's code, or its class name; its message may contain secrets."""
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__


def _qualified(name: str, function_arn: str) -> str:
    """Return the name with the alias of the ARN, if it is an alias of that function.

    Lambda lists the mappings of an alias under its name alone, not under that of the function.
    """
    _, _, function = function_arn.rpartition(":function:")
    return function if function.partition(":")[0] == name else name


def _look_up(client: "LambdaClient", function: str, source_arn: str | None) -> str:
    source = {"EventSourceArn": source_arn} if source_arn else {}
    answer = client.list_event_source_mappings(FunctionName=function, **source)  # type: ignore[arg-type]
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
