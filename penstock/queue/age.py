"""Figures of a queue that CloudWatch has, and SQS itself does not, such as the age of the oldest message."""

from datetime import datetime, timedelta
from typing import Any, Final

_PERIOD: Final = timedelta(minutes=1)
_LOOK_BACK: Final = timedelta(minutes=10)
"""SQS sends its metrics every minute, sometimes a few minutes late (SQS: available CloudWatch metrics)."""


def oldest_seconds(client: Any, queue_url: str, now: datetime) -> float | None:
    """Return the latest known age of the oldest message, in seconds; None if CloudWatch has no figure.

    Args:
        client: a CloudWatch client of boto3.
        queue_url: the queue's URL.
        now: the current time.

    Raises:
        botocore.exceptions.ClientError: CloudWatch returned an error.
        botocore.exceptions.BotoCoreError: CloudWatch cannot be reached.
    """
    return newest_value(client, queue_url, "ApproximateAgeOfOldestMessage", now)


def newest_value(client: Any, queue_url: str, metric: str, now: datetime) -> float | None:
    """Return the newest value of a metric of SQS; None if CloudWatch has none of the last minutes.

    Args:
        client: a CloudWatch client of boto3.
        queue_url: the queue's URL.
        metric: the name of the metric.
        now: the current time.

    Raises:
        botocore.exceptions.ClientError: CloudWatch returned an error.
        botocore.exceptions.BotoCoreError: CloudWatch cannot be reached.
    """
    response = client.get_metric_statistics(
        Namespace="AWS/SQS",
        MetricName=metric,
        Dimensions=[{"Name": "QueueName", "Value": queue_url.rsplit("/", 1)[-1]}],
        StartTime=now - _LOOK_BACK,
        EndTime=now,
        Period=int(_PERIOD.total_seconds()),
        Statistics=["Maximum"],
    )
    points = sorted(response["Datapoints"], key=lambda point: point["Timestamp"])
    return float(points[-1]["Maximum"]) if points else None
