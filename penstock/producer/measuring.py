"""What is measured of one call of `emit` or `emit_many`."""

from collections import Counter
from collections.abc import Collection, Sequence

from penstock.metrics.names import EMIT_DURATION, EMITTED, NOT_ACKNOWLEDGED, QUEUE
from penstock.metrics.recording import Recording
from penstock.queue import Outgoing


def measure_emit(
    metrics: Recording, messages: Sequence[Outgoing], failed: Collection[int], seconds: float, queue_url: str
) -> None:
    """Measure the messages of a call, once SQS has answered for each.

    Args:
        metrics: the recording.
        messages: the messages.
        failed: the positions of those that SQS has not acknowledged.
        seconds: how long it took.
        queue_url: the URL of the queue; empty if it is not known.
    """
    queue = {QUEUE: queue_url.rpartition("/")[2]} if queue_url else {}
    kinds = Counter((str(one.attributes["type"].value), index in failed) for index, one in enumerate(messages))
    for (kind, lost), number in kinds.items():
        metrics.add(NOT_ACKNOWLEDGED if lost else EMITTED, number, label=kind, attributes=queue)
    metrics.add(EMIT_DURATION, seconds, attributes=queue)
