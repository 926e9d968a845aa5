"""Each rule: it finds nothing in Penstock's own stack, and one broken variant of it breaks exactly this rule."""

from collections.abc import Callable
from typing import Any

import pytest

from penstock.doctor.examine import RULES
from tests.support.doctor import Template, diagnose, notes, own_template, properties
from tests.support.infra_tools import WITH_STANDARD_QUEUES

Change = Callable[[Template], None]

DRAIN, WRITES = "DrainLambdaFunction", "WritesLambdaFunction"
MAPPING = "DrainEventSourceMappingSQSQueue"
EVERYWHERE = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"}


def put(name: str, **values: Any) -> Change:
    """Set properties of a resource."""
    return lambda template: properties(template, name).update(values)


def drop(name: str, *path: str) -> Change:
    """Remove a property of a resource, or the resource."""

    def change(template: Template) -> None:
        *above, last = ("Properties", *path) if path else ()
        found = template["Resources"][name]
        for step in above:
            found = found[step]
        del found[last]

    return change if path else lambda template: template["Resources"].pop(name)


def variable(name: str, key: str, value: Any) -> Change:
    return lambda template: properties(template, name)["Environment"]["Variables"].update({key: value})


def allow(role: str, statement: Any) -> Change:
    return lambda template: properties(template, role)["Policies"][0]["PolicyDocument"]["Statement"].append(
        statement
    )


def add(name: str, kind: str, **values: Any) -> Change:
    return lambda template: template["Resources"].update({name: {"Type": kind, "Properties": values}})


def database_secret(template: Template) -> Any:
    (policy,) = properties(template, "DrainRole")["Policies"]
    return policy["PolicyDocument"]["Statement"][1]


BROKEN: list[tuple[str, str, Change]] = [
    ("budget", "hold up to 15 connections", put(DRAIN, ReservedConcurrentExecutions=6)),
    ("budget", "no bound for its concurrency", drop(WRITES, "ReservedConcurrentExecutions")),
    ("proxy", "opens 13 % of 100", lambda t: t["Parameters"]["AuroraProxyPercent"].update(Default="13")),
    (
        "proxy",
        "wait 30 s for a connection",
        lambda t: properties(t, "DatabaseProxyTargets")["ConnectionPoolConfigurationInfo"].update(
            ConnectionBorrowTimeout=30
        ),
    ),
    ("visibility", "has to be from 181", put("Queue", VisibilityTimeout=180)),
    ("batch", "from 1 to 10000", put(MAPPING, BatchSize=10_001)),
    ("batch", "at least 1 (s), and is 0", put(MAPPING, MaximumBatchingWindowInSeconds=0)),
    ("partial-responses", "lacks ReportBatchItemFailures", drop(MAPPING, "FunctionResponseTypes")),
    ("filters", "1 filter:", put(MAPPING, FilterCriteria={"Filters": [{"Pattern": "{}"}]})),
    ("concurrency", "may invoke 6 drains at once, and 5", put(MAPPING, ScalingConfig={"MaximumConcurrency": 6})),
    ("concurrency", "SQS requires at least 2", put(MAPPING, ScalingConfig={"MaximumConcurrency": 1})),
    ("concurrency", "no MaximumConcurrency", drop(MAPPING, "ScalingConfig")),
    (
        "provisioned-concurrency",
        "provision 3 environments, and 5 are reserved: while a deployment shifts",
        put("DrainAlias", ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 3}),
    ),
    (
        "provisioned-concurrency",
        "Lambda refuses the rest",
        put("DrainAlias", ProvisionedConcurrencyConfig={"ProvisionedConcurrentExecutions": 6}),
    ),
    ("dead-letters", "has no dead-letter queue", drop("Queue", "RedrivePolicy")),
    ("dead-letters", "is a FIFO queue, and Queue is a standard queue", put("DeadLetterQueue", FifoQueue=True)),
    (
        "redrive",
        "maxReceiveCount is 98",
        lambda t: properties(t, "Queue")["RedrivePolicy"].update(maxReceiveCount=98),
    ),
    ("retention", "keeps messages for 60 s", put("DeadLetterQueue", MessageRetentionPeriod=60)),
    (
        "payloads",
        "at least 56",
        lambda t: properties(t, "PayloadBucket")["LifecycleConfiguration"]["Rules"][0].update(ExpirationInDays=55),
    ),
    ("encryption", "encryption is turned off", put("Queue", SqsManagedSseEnabled=False)),
    ("tls", "no policy refuses", drop("QueuePolicy")),
    ("tls", "no policy refuses", drop("DeadLetterQueuePolicy")),
    ("tls", "no policy refuses", drop("PayloadBucketPolicy")),
    ("role", "Action sqs:*", allow("DrainRole", {"Effect": "Allow", "Action": "sqs:*", "Resource": "arn:x"})),
    ("role", "Resource * for s3:GetObject", allow("WritesRole", EVERYWHERE)),
    ("role", "NotAction", allow("ProbeRole", {"Effect": "Allow", "NotAction": "iam:*", "Resource": "arn:x"})),
    (
        "role",
        "managed policy AmazonSQSFullAccess",
        put("PruneRole", ManagedPolicyArns=["arn:aws:iam::aws:policy/AmazonSQSFullAccess"]),
    ),
    (
        "producer",
        "GetSecretValue for the database's secret",
        lambda t: allow("ProducerRole", database_secret(t))(t),
    ),
    (
        "producer",
        "allows rds-db:connect",
        allow(
            "ProducerRole", {"Effect": "Allow", "Action": "rds-db:connect", "Resource": "arn:aws:rds-db:::dbuser"}
        ),
    ),
    (
        "producer",
        "in a security group of DrainLambdaFunction",
        lambda t: properties(t, "Orders").update(VpcConfig=properties(t, DRAIN)["VpcConfig"]),
    ),
    ("endpoints", "no endpoint for sqs", drop("SqsEndpoint")),
    ("endpoints", "no endpoint for secretsmanager", drop("SecretsManagerEndpoint")),
    ("answer", "API Gateway waits for 30", put(WRITES, Timeout=30)),
    ("connect", "may take 5 s", put("PruneLambdaFunction", Timeout=5)),
    ("schedule", "runs it each 60 s", put("ProbeLambdaFunction", Timeout=61)),
    ("password", "password in plain text", variable(WRITES, "PENSTOCK_DATABASE_URL", "postgresql://a:b@c/d")),
]


def test_every_part() -> None:
    """With every part, a drain behind an alias and a function more, no rule is broken, and the drain is found."""
    made = own_template(WITH_STANDARD_QUEUES, Budget=15)
    assert diagnose(made) == []
    assert diagnose(own_template(WITH_STANDARD_QUEUES)) != []
    put(MAPPING, MaximumBatchingWindowInSeconds=0)(made)
    assert [one.rule for one in diagnose(made)] == ["batch"]


@pytest.mark.parametrize("parts", [(), ("vpc", "endpoints", "network", "aurora"), ("fifo",)])
def test_own_stack(parts: tuple[str, ...]) -> None:
    """Penstock's own parts break no rule, and everything in them but alarms is seen."""
    made = own_template(parts)
    assert diagnose(made) == []
    assert [one for one in notes(made) if "no alarm" not in one] == []


@pytest.mark.parametrize(("rule", "text", "change"), BROKEN)
def test_broken_variant(rule: str, text: str, change: Change) -> None:
    """One change breaks exactly one rule, and the finding has the number or the name, the page and the way out."""
    made = own_template()
    change(made)
    found = diagnose(made)
    assert {one.rule for one in found} == {rule}, found
    assert any(text in one.problem for one in found), found
    assert all(one.hint and one.why and one.source.startswith("https://") for one in found)


def test_every_rule_has_a_broken_variant() -> None:
    """No rule is without a test that breaks it, here or below."""
    below = {"max-connections", "pool", "pooler", "fifo", "provisioned", "alarms", "unseen"}
    assert {rule.name for rule in RULES} == {rule for rule, _, _ in BROKEN} | below


def test_max_connections_without_a_proxy() -> None:
    """A database that the template limits grants twice the budget and people's, or it is a finding."""
    for most, severity in ((100, None), (35, "warning"), (16, "fault")):
        made = own_template(())
        add("Limits", "AWS::RDS::DBParameterGroup", Parameters={"max_connections": most})(made)
        expected = [("max-connections", severity)] if severity else []
        assert [(one.rule, one.severity) for one in diagnose(made)] == expected


def test_pools() -> None:
    """A pool of two is a warning for each function, also if the budget counts it."""
    found = diagnose(own_template((), PoolSize=2, Budget=28))
    assert {one.rule for one in found} == {"pool"}
    assert len(found) == 6


@pytest.mark.parametrize(
    "host", ["db:6432", "db:6543", "ep-x-pooler.neon.tech", "x.proxy-y.eu-1.rds.amazonaws.com"]
)
def test_pooler_in_the_url(host: str) -> None:
    """A URL that leads to a pooler is a note that names the pooler's limits, and shows nothing of the URL."""
    made = own_template(())
    variable(WRITES, "PENSTOCK_DATABASE_URL", f"postgresql://someone@{host}/shop")(made)
    assert diagnose(made) == []
    (said,) = [one for one in notes(made) if "pooler" in one]
    assert "someone" not in said


def test_fifo_queue() -> None:
    """A FIFO queue has batches of ten and no window."""
    for values in ({"BatchSize": 11}, {"MaximumBatchingWindowInSeconds": 1}):
        made = own_template(("fifo",))
        put(MAPPING, **values)(made)
        assert [one.rule for one in diagnose(made)] == ["fifo"]


def test_provisioned_pollers() -> None:
    """Pollers exclude a maximum, are two at least, and each is ten invocations that have to be reserved."""
    made = own_template((), Budget=29)
    put(DRAIN, ReservedConcurrentExecutions=20)(made)
    put(MAPPING, ProvisionedPollerConfig={"MinimumPollers": 2, "MaximumPollers": 2})(made)
    (both,) = diagnose(made)
    assert (both.rule, "exclude each other" in both.problem) == ("provisioned", True)
    drop(MAPPING, "ScalingConfig")(made)
    assert diagnose(made) == []
    put(MAPPING, ProvisionedPollerConfig={"MinimumPollers": 1, "MaximumPollers": 2})(made)
    assert [one.rule for one in diagnose(made)] == ["provisioned"]
    put(MAPPING, ProvisionedPollerConfig={})(made)
    (unbound,) = diagnose(made)
    assert "may invoke 2000 drains at once, and 20 are reserved" in unbound.problem


def test_alarms() -> None:
    """Alarms on dead letters and on the age of messages take the notes away: one's own, or the part `alarms`."""
    assert notes(own_template(("alarms",))) == []
    made = own_template(())
    assert len(notes(made)) == 2
    for queue, metric in (
        ("DeadLetterQueue", "ApproximateNumberOfMessagesVisible"),
        ("Queue", "ApproximateAgeOfOldestMessage"),
    ):
        dimension = {"Name": "QueueName", "Value": {"Fn::GetAtt": [queue, "QueueName"]}}
        add(f"Alarm{queue}", "AWS::CloudWatch::Alarm", MetricName=metric, Dimensions=[dimension])(made)
    assert notes(made) == []


def test_alarms_that_never_fire() -> None:
    """An alarm on a metric that its function does not print is named: the setting is off, or missing."""
    for silent in (
        variable(DRAIN, "PENSTOCK_METRICS", "false"),
        drop(DRAIN, "Environment", "Variables", "PENSTOCK_METRICS"),
    ):
        made = own_template(("alarms",))
        silent(made)
        (found,) = notes(made)
        assert "prints no metrics, so these alarms never fire: DeploymentFaultAlarm, BudgetAlarm" in found
    assert len(notes(own_template(("alarms",), Metrics="false"))) == 3


def test_managed_instances() -> None:
    """On managed instances the budget is environments x processes x pool size, and both have to be bounded."""
    made = own_template(())
    put(DRAIN, CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": {}})(made)
    (unbound,) = diagnose(made)
    assert "16 Python processes for each vCPU" in unbound.problem
    one = {"PerExecutionEnvironmentMaxConcurrency": 4}
    put(
        DRAIN,
        CapacityProviderConfig={"LambdaManagedInstancesCapacityProviderConfig": one},
        FunctionScalingConfig={"MaxExecutionEnvironments": 3},
    )(made)
    (counted,) = diagnose(made)
    assert "the functions hold up to 21 connections" in counted.problem


def test_producer_with_a_database() -> None:
    """A producer with the database's URL is one, and its concurrency is part of the budget."""
    made = own_template(())
    variable("Orders", "PENSTOCK_DATABASE_URL", "arn:aws:secretsmanager:eu-central-1:1:secret:x")(made)
    assert {one.rule for one in diagnose(made)} == {"producer", "budget"}


def test_nat_gateway() -> None:
    """A route to a NAT gateway takes the place of endpoints; one to an internet gateway does not."""
    made = own_template(("vpc", "network"))
    assert {one.rule for one in diagnose(made)} == {"endpoints"}
    way = {"RouteTableId": {"Ref": "PrivateRouteTable"}, "DestinationCidrBlock": "0.0.0.0/0"}
    add("Way", "AWS::EC2::Route", **way, GatewayId="igw-1")(made)
    assert {one.rule for one in diagnose(made)} == {"endpoints"}
    add("Way", "AWS::EC2::Route", **way, NatGatewayId="nat-1")(made)
    assert diagnose(made) == []


def test_foreign_network() -> None:
    """Of a VPC that the template does not have, the ways to AWS are not checked, and this is said."""
    made = own_template(("vpc",))
    assert diagnose(made) == []
    assert sum("not checked: the way from its subnets to AWS" in one for one in notes(made)) == 6


def test_secret_by_a_wildcard() -> None:
    """A producer that may read all secrets of a prefix may read the database's, whatever region the ARN names."""
    made = own_template(())
    statement = {
        "Effect": "Allow",
        "Action": "secretsmanager:GetSecretValue",
        "Resource": "arn:aws:secretsmanager:eu-central-1:123456789012:secret:penstock/*",
    }
    allow("ProducerRole", statement)(made)
    assert [one.rule for one in diagnose(made)] == ["producer"]
    statement["Resource"] = statement["Resource"].replace("penstock/", "another/")
    made = own_template(())
    allow("ProducerRole", statement)(made)
    assert diagnose(made) == []


@pytest.mark.parametrize(
    ("resource", "wide"),
    [
        ("*", True),
        ("arn:aws:sqs:*:*:*", True),
        ({"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:*"}, True),
        ("arn:aws:s3:::*/*", True),
        ({"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:shop-*"}, False),
        ({"Fn::GetAtt": ["Queue", "Arn"]}, False),
    ],
)
def test_wide_resources(resource: Any, wide: bool) -> None:
    """A resource is wide if it is all that a service has, whatever partition, region and account it names."""
    made = own_template(())
    allow("WritesRole", {"Effect": "Allow", "Action": "sqs:GetQueueUrl", "Resource": resource})(made)
    assert [one.rule for one in diagnose(made)] == ["role"] * wide


def test_what_only_aws_knows() -> None:
    """An import in a policy, a network or a condition is neither right nor wrong: it is said."""
    made = own_template(())
    imported = {"Fn::ImportValue": "x"}
    allow("WritesRole", {"Effect": "Allow", "Action": "sqs:GetQueueUrl", "Resource": imported})(made)
    for name in ("Orders", DRAIN):
        put(name, VpcConfig={"SubnetIds": [imported], "SecurityGroupIds": [imported]})(made)
    put(WRITES, VpcConfig={"SubnetIds": [], "SecurityGroupIds": []})(made)
    made["Conditions"]["IsRemote"] = {"Fn::Equals": [{"Ref": "AWS::Region"}, "x"]}
    assert diagnose(made) == []
    said = [one for one in notes(made) if "no alarm" not in one]
    assert len(said) == 4, said
    assert "WritesRole: not checked: all of a statement of its policy (only a deployment knows Fn::Im" in said[0]
    assert sum("the way from its subnets to AWS" in one for one in said) == 2
    assert any("whether the condition IsRemote holds" in one for one in said)


def test_policies_that_a_condition_leaves_out() -> None:
    """A policy that the stage does not have is said, and not a finding: the local AWS has no TLS."""
    made = own_template((), Stage="local")
    assert diagnose(made) == []
    assert sum("TLS (QueuePolicy is left out by the condition IsRemote)" in one for one in notes(made)) == 1
