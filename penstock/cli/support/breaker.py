"""The breaker of a stage: its event source mapping, and its state in one line."""

from penstock.cli.support.output import escape_control
from penstock.cli.support.stage import Stage
from penstock.consumer.breaker.event_source import EventSourceMapping
from penstock.consumer.breaker.manual import BreakerStatus


def mapping_of(stage: Stage) -> EventSourceMapping:
    """Find the event source mapping of a stage, which is not asked anything yet.

    Raises:
        Failure: there is no such stack, or it has none.
    """
    uuid, queue = stage.outputs("EventSourceMapping", "QueueArn")
    _, partition, _, region, account, _ = queue.split(":", 5)
    arn = f"arn:{partition}:lambda:{region}:{account}:event-source-mapping:{uuid}"
    return EventSourceMapping(stage.client("lambda"), uuid, arn)


def phrase(status: BreakerStatus) -> str:
    """Say in a line how the breaker stands."""
    by = f" by {'the breaker' if status.by == 'breaker' else status.by}" if status.by else ""
    why = f": {escape_control(status.why)}" if status.why else ""
    return f"{status.position}{by}{why}"
