"""The breaker of a stage: its event source mapping, and its state in one line."""

from penstock.cli.support.output import escape_control
from penstock.cli.support.stage import Stage
from penstock.consumer.breaker.event_source import EventSourceMapping
from penstock.consumer.breaker.manual import BreakerStatus


def mapping_of(stage: Stage) -> EventSourceMapping:
    """Return the event source mapping of a stage. This calls CloudFormation, but not Lambda.

    Raises:
        Failure: there is no such stack, or the stack has no event source mapping.
    """
    uuid, queue = stage.outputs("EventSourceMapping", "QueueArn")
    _, partition, _, region, account, _ = queue.split(":", 5)
    arn = f"arn:{partition}:lambda:{region}:{account}:event-source-mapping:{uuid}"
    return EventSourceMapping(stage.client("lambda"), uuid, arn)


def format_breaker(status: BreakerStatus) -> str:
    """Format the breaker's state in one line."""
    by = f" by {'the breaker' if status.by == 'breaker' else status.by}" if status.by else ""
    why = f": {escape_control(status.why)}" if status.why else ""
    return f"{status.position}{by}{why}"
