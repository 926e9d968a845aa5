"""How long the oldest message has been on a queue, which CloudWatch knows and SQS itself does not tell."""

from datetime import datetime, timedelta
from typing import Any, Final

_PERIOD: Final = timedelta(minutes=1)
_LOOK_BACK: Final = timedelta(minutes=10)
"""SQS sends its metrics each minute, and some minutes late at worst (SQS: available CloudWatch metrics)."""


def oldest_seconds(client: Any, queue_url: str, now: datetime) -> float | None:
    """Return the newest known age of the oldest message, in seconds; None where CloudWatch has none.

    Args:
        client: a CloudWatch client of boto3's.
        queue_url: the queue's URL.
        now: the time.

    Raises:
        botocore.exceptions.ClientError: CloudWatch refused.
        botocore.exceptions.BotoCoreError: it is out of reach.
    """
    answer = client.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName="ApproximateAgeOfOldestMessage",
        Dimensions=[{"Name": "QueueName", "Value": queue_url.rsplit("/", 1)[-1]}],
        StartTime=now - _LOOK_BACK,
        EndTime=now,
        Period=int(_PERIOD.total_seconds()),
        Statistics=["Maximum"],
    )
    points = sorted(answer["Datapoints"], key=lambda point: point["Timestamp"])
    return float(points[-1]["Maximum"]) if points else None
