"""Where copies of dead letters go: to the dead-letter queue of another stage or account."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

import boto3
from botocore.exceptions import ClientError

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.stage import LOCAL, QUEUE_TIMEOUT_SECONDS, Queues, Stage, open_stage
from penstock.queue import SqsQueue, sqs_client

_REGION: Final = re.compile(r"(?:^|\.)sqs\.([a-z0-9-]+)\.(?:vpce\.)?amazonaws\.com(?:\.cn)?$")
_DENIED: Final = ("AccessDenied", "InvalidSecurity")


@dataclass(frozen=True, slots=True)
class CopyTarget:
    """The queue that copies go to.

    Attributes:
        queue: the queue.
        name: what it is, for a question.
        is_checked: whether it is known that no drain reads it.
    """

    queue: SqsQueue
    name: str
    is_checked: bool


def find_copy_target(
    at: Target, stage: Stage, queues: Queues, *, to_stage: str | None, to: str | None, to_profile: str | None
) -> CopyTarget:
    """Find the queue that copies go to.

    Args:
        at: the options of the stage that is copied from.
        stage: that stage.
        queues: its queues.
        to_stage: the name of another stage of the service.
        to: instead of it, the URL of a dead-letter queue, perhaps in another account.
        to_profile: the profile of the AWS configuration for the other side; None for that of this side.

    Raises:
        Failure: there is no such queue, or it is one of this stage, or one that a drain reads.
    """
    if (to_stage is None) == (to is None):
        raise Failure("where to? Give either --to-stage STAGE or --to URL", USAGE)
    if to_stage is not None:
        target = _of_stage(at, to_stage, to_profile)
    else:
        target = _of_url(at, stage, str(to), to_profile)
    if _identity(target.queue.url) in {_identity(queues.dead.url), _identity(queues.main.url)}:
        raise Failure(
            "this is a queue of the same stage, and a copy goes to another one: `penstock dlq replay` sends dead "
            "letters back to their own queue",
            USAGE,
        )
    return target


def _of_stage(at: Target, name: str, to_profile: str | None) -> CopyTarget:
    profile = to_profile if name == LOCAL else to_profile or at.profile
    other = open_stage(name, at.service, at.region, profile, at.endpoint_url)
    return CopyTarget(other.queues().dead, f"the dead-letter queue of {other.stack}", is_checked=True)


def _of_url(at: Target, stage: Stage, url: str, to_profile: str | None) -> CopyTarget:
    host = urlsplit(url).hostname
    if not host:
        raise Failure(f"--to: {url!r} is not the URL of a queue: give one such as https://sqs.REGION…", USAGE)
    region = _REGION.search(host)
    if region or to_profile:
        name = to_profile or at.profile
        session = boto3.Session(profile_name=name, region_name=region[1] if region else at.region)
        client = sqs_client(session, at.endpoint_url)
    else:
        client = sqs_client(stage.session, stage.endpoint_url)
    queue = SqsQueue(url, client, timeout_seconds=QUEUE_TIMEOUT_SECONDS)
    return CopyTarget(queue, url, is_checked=_require_dead_letter_queue(queue))


def _require_dead_letter_queue(queue: SqsQueue) -> bool:
    """Return whether a queue is known to be no queue that a drain reads: such a queue has a redrive policy.

    Raises:
        Failure: it has one, or there is no such queue.
        botocore.exceptions.ClientError: SQS refused the call.
    """
    try:
        has_policy = queue.has_redrive_policy()
    except ClientError as error:
        code = error.response["Error"]["Code"]
        if "NonExistentQueue" in code or "QueueDoesNotExist" in code:
            raise Failure(f"--to: there is no queue {queue.url}", USAGE) from None
        if code.startswith(_DENIED):
            return False  # Another account may allow to send, and nothing else.
        raise
    if has_policy:
        raise Failure(
            f"--to: {queue.url} has a dead-letter queue of its own, so a drain reads it and would write the "
            "copies at once. Give its dead-letter queue, and run `penstock dlq replay` there",
            USAGE,
        )
    return True


def _identity(url: str) -> tuple[str | None, str]:
    """Return the region and the path of a queue, which has the account and the name."""
    parts = urlsplit(url)
    region = _REGION.search(parts.hostname or "")
    return region[1] if region else None, parts.path
