"""Rules about the queues and the bucket: what is kept, for how long, and how safely."""

from collections.abc import Iterator
from typing import Any, Final

from penstock.consumer.pipeline.retry_delay import receives_within
from penstock.doctor.finding import NotKnown, Problem, fault, not_checked, warning
from penstock.doctor.pieces import PAYLOAD_BUCKET, Queue
from penstock.doctor.rule import SQS, ServiceRule
from penstock.doctor.service import Service, items, referred
from penstock.doctor.stack import Resource
from penstock.doctor.values import Unknown, as_flag, as_mapping, as_number, as_text

_SECONDS_OF_A_DAY: Final = 86_400
_LONGEST_RETENTION: Final = 14 * _SECONDS_OF_A_DAY
_QUEUE_POLICIES: Final = ("AWS::SQS::QueuePolicy", "AWS::SQS::QueueInlinePolicy")
_BUCKET: Final = "AWS::S3::Bucket"
_ALL_ACTIONS: Final = frozenset({"*", "sqs:*", "s3:*"})
_SECURITY: Final = f"{SQS}sqs-security-best-practices.html"


def _dead_letters(service: Service, queue: Queue) -> Iterator[Problem]:
    target = queue.resource.at("RedrivePolicy", "deadLetterTargetArn")
    dead = service.dead_letters_of(queue)
    if target is None:
        yield warning(
            queue.name,
            "the queue has no dead-letter queue: a message that makes the drain crash is delivered until the "
            "queue drops it",
            "give it a RedrivePolicy with the dead-letter queue of the drain",
        )
    elif dead is None:
        yield not_checked(queue.name, "its dead-letter queue (the template does not have it)")
    elif dead.is_fifo != queue.is_fifo:
        kinds = {True: "a FIFO queue", False: "a standard queue"}
        yield fault(
            dead.name,
            f"the dead-letter queue is {kinds[dead.is_fifo]}, and {queue.name} is {kinds[queue.is_fifo]}: SQS "
            "refuses the pair, and so the deployment",
            f"make both {kinds[queue.is_fifo]}s",
        )


def _redrive(_: Service, queue: Queue) -> Iterator[Problem]:
    count = queue.number("RedrivePolicy", "maxReceiveCount")
    if count is None:
        return
    needed = receives_within(int(min(queue.retention, _LONGEST_RETENTION)))
    if count < needed:
        yield fault(
            queue.name,
            f"maxReceiveCount is {count}: in an outage, messages that go back by schedule reach it before the "
            f"retention of {queue.retention} s ends, and are dead-lettered without a fault",
            f"set it to {max(100, needed)}; the drain itself dead-letters what cannot be written",
        )


def _retention(service: Service, queue: Queue) -> Iterator[Problem]:
    dead = service.dead_letters_of(queue)
    # SQS starts the age of a message anew on a FIFO dead-letter queue.
    if dead is not None and not queue.is_fifo and dead.retention < queue.retention:
        yield fault(
            dead.name,
            f"the dead-letter queue keeps messages for {dead.retention} s, and the queue for {queue.retention} "
            "s: a dead letter keeps its age, and is dropped early",
            f"set MessageRetentionPeriod to {queue.retention} or more (custom.penstock.queue.retention)",
        )


def _payloads(service: Service, bucket: Resource) -> Iterator[Problem]:
    kept = sum(queue.retention for queue in service.own_queues)
    least = -int(-2 * kept // _SECONDS_OF_A_DAY)
    for rule in items(bucket.at("LifecycleConfiguration", "Rules")):
        days = as_number(as_mapping(rule).get("ExpirationInDays"))
        if isinstance(days, Unknown):
            raise NotKnown(bucket.name, f"ExpirationInDays ({days.why})")
        if days is not None and days < least:
            yield fault(
                bucket.name,
                f"large intents expire after {days} days, and this has to be at least {least}, twice the "
                "retention of both queues: otherwise a message can refer to an object that is gone",
                f"set ExpirationInDays to {least} or more (custom.penstock.payloads.days)",
            )


def _encryption(_: Service, queue: Queue) -> Iterator[Problem]:
    managed = queue.resource.at("SqsManagedSseEnabled")
    if (
        managed is not None
        and not queue.flag("SqsManagedSseEnabled")
        and queue.resource.at("KmsMasterKeyId") is None
    ):
        yield warning(
            queue.name,
            "encryption is turned off (SqsManagedSseEnabled): SQS stores intents in plain text",
            "remove SqsManagedSseEnabled, which is on by default, or set KmsMasterKeyId",
        )


def _tls(service: Service, resource: Resource) -> Iterator[Problem]:
    policies = ("AWS::S3::BucketPolicy",) if resource.type == _BUCKET else _QUEUE_POLICIES
    if any(_requires_tls(one, resource) for one in service.of_type(*policies)):
        return
    for policy in service.of_type(*policies):
        statement = policy.at("PolicyDocument", "Statement")
        if isinstance(statement, Unknown):
            raise NotKnown(policy.name, f"its statements ({statement.why})")
    for policy in service.left_out:
        if policy.type in policies and _requires_tls(policy, resource):
            yield not_checked(
                resource.name, f"TLS ({policy.name} is left out by the condition {policy.left_out_by})"
            )
            return
    yield warning(
        resource.name,
        "no policy refuses requests without TLS",
        "add a policy with Deny for Principal * if aws:SecureTransport is false",
    )


def _requires_tls(policy: Resource, resource: Resource) -> bool:
    """Return whether a policy is one of a queue or bucket, and denies requests without TLS."""
    targets = [*items(policy.at("Queues")), policy.at("Queue"), policy.at("Bucket")]
    if not any(_is_target(one, resource) for one in targets):
        return False
    return any(_denies_plain(as_mapping(one)) for one in items(policy.at("PolicyDocument", "Statement")))


def _is_target(value: Any, resource: Resource) -> bool:
    return referred(value) is resource or (isinstance(value, str) and value == resource.at("BucketName"))


def _denies_plain(statement: Any) -> bool:
    condition = as_mapping(as_mapping(statement.get("Condition")).get("Bool"))
    secure = {str(key).lower(): value for key, value in condition.items()}.get("aws:securetransport", True)
    everyone = statement.get("Principal")
    all_of_them = as_text(everyone) == "*" or items(as_mapping(everyone).get("AWS")) == ["*"]
    actions = {str(as_text(one)).lower() for one in items(statement.get("Action"))}
    flags = [as_flag(one) for one in items(secure)]
    return statement.get("Effect") == "Deny" and all_of_them and bool(actions & _ALL_ACTIONS) and flags == [False]


def payload_buckets(service: Service) -> list[Resource]:
    """Return the buckets of large intents that are part of the stack."""
    named = (referred(one.variables.get(PAYLOAD_BUCKET)) for one in service.functions)
    return list(dict.fromkeys(one for one in named if one is not None and one.type == _BUCKET))


def _kept(service: Service) -> list[Resource]:
    return [*(piece.resource for piece in service.own_queues), *payload_buckets(service)]


RULES: Final = (
    ServiceRule(
        "dead-letters",
        "A message that crashes the drain has to end on a dead-letter queue, of the same kind as the queue",
        f"{SQS}sqs-dead-letter-queues.html",
        lambda service: service.drained_queues,
        _dead_letters,
    ),
    ServiceRule(
        "redrive",
        "Law 5: each round of an outage counts as a receive, and an outage dead-letters nothing",
        f"{SQS}sqs-dead-letter-queues.html",
        lambda service: service.drained_queues,
        _redrive,
    ),
    ServiceRule(
        "retention",
        "A message keeps its age when SQS moves it to a standard dead-letter queue",
        f"{SQS}sqs-dead-letter-queues.html",
        lambda service: service.drained_queues,
        _retention,
    ),
    ServiceRule(
        "payloads",
        "A message with a large intent refers to an object, which has to live as long, also after a replay",
        "https://docs.aws.amazon.com/AmazonS3/latest/userguide/object-lifecycle-mgmt.html",
        payload_buckets,
        _payloads,
    ),
    ServiceRule(
        "encryption",
        "Intents are the data of your users",
        _SECURITY,
        lambda service: service.own_queues,
        _encryption,
    ),
    ServiceRule(
        "tls",
        "Without a policy, SQS and S3 answer requests over plain HTTP too",
        _SECURITY,
        _kept,
        _tls,
    ),
)
