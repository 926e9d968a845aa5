"""What is measured of one call of `emit` or `emit_many`."""

from collections import Counter
from collections.abc import Collection

from penstock.metrics.names import EMIT_DURATION, EMITTED, NOT_ACKNOWLEDGED, QUEUE
from penstock.metrics.recording import Recording
from penstock.producer.large import SendBatch


def measure_emit(
    metrics: Recording, batch: SendBatch, failed: Collection[int], seconds: float, queue_url: str
) -> None:
    """Measure the intents of a call, once SQS has answered for each.

    Args:
        metrics: the recording.
        batch: the messages with their intents.
        failed: the positions of the intents that SQS has not acknowledged.
        seconds: how long it took.
        queue_url: the URL of the queue; empty if it is not known.
    """
    queue = {QUEUE: queue_url.rpartition("/")[2]} if queue_url else {}
    kinds: Counter[tuple[str, bool]] = Counter()
    for message, positions in zip(batch.messages, batch.positions, strict=True):
        # SQS acknowledges a message as a whole.
        kinds[str(message.attributes["type"].value), positions[0] in failed] += len(positions)
    for (kind, lost), number in kinds.items():
        metrics.add(NOT_ACKNOWLEDGED if lost else EMITTED, number, label=kind, attributes=queue)
    metrics.add(EMIT_DURATION, seconds, attributes=queue)
