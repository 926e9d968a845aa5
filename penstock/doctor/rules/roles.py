"""Rules about what a function may do, and what it knows."""

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import Final

from penstock.doctor.access import Statement, managed_policies, role_of, statements_of
from penstock.doctor.finding import NotKnown, Problem, fault, not_checked, warning
from penstock.doctor.pieces import DATABASE_URL, Function
from penstock.doctor.rule import ServiceRule
from penstock.doctor.service import Service, items
from penstock.doctor.values import as_text

_VARIABLE: Final = re.compile(r"\$\{[^{}]*\}")
_IAM: Final = "https://docs.aws.amazon.com/IAM/latest/UserGuide/best-practices.html"
_SINGLE_AND_BATCH: Final = frozenset({"sqs:SendMessage*", "sqs:DeleteMessage*", "sqs:ChangeMessageVisibility*"})
"""In AWS these allow no more than the action before the asterisk."""
_WITHOUT_RESOURCE: Final = re.compile(
    r"lambda:ListEventSourceMappings|ec2:\w*NetworkInterfaces?|ec2:DescribeSubnets|ec2:DescribeSecurityGroups"
    r"|ec2:DescribeVpcs|ec2:(Una|A)ssignPrivateIpAddresses|xray:Put\w+|cloudwatch:PutMetricData"
)
"""Actions for which AWS has no narrower resource (Service Authorization Reference)."""
_WIDE_POLICY: Final = re.compile(r"AdministratorAccess|PowerUserAccess|\w*FullAccess|SecretsManagerReadWrite")
_NARROW_POLICY: Final = re.compile(
    r"AWSLambda(BasicExecution|VPCAccessExecution|SQSQueueExecution)Role|AWSXRayDaemonWriteAccess"
    r"|CloudWatchLambdaInsightsExecutionRolePolicy"
)
_PASSWORD: Final = re.compile(r"\w+://[^/?#@:]*:(?P<password>[^/?#@]+)@")
_READ_SECRET: Final = "secretsmanager:GetSecretValue"  # noqa: S105 (an action)
_TO_DATABASE: Final = ("rds-db:connect", "rds-data:ExecuteStatement", "dsql:DbConnect")


def _role(service: Service, function: Function) -> Iterator[Problem]:
    role = role_of(function)
    for policy in managed_policies(role):
        if _WIDE_POLICY.fullmatch(policy):
            yield warning(
                role.name, f"the role has the managed policy {policy}", "name the actions and their resources"
            )
        elif not _NARROW_POLICY.fullmatch(policy):
            yield not_checked(role.name, f"the managed policy {policy} (the template does not have it)")
    for statement in statements_of(service, role):
        if statement.unknown:
            yield not_checked(statement.place, f"all of a statement of its policy ({statement.unknown})")
        if wide := _width(statement):
            yield warning(
                statement.place,
                f"a statement for {function.name} allows more than it needs: {wide}",
                "name the actions and their resources, as the parts of Penstock do (infra/penstock.yml)",
            )


def _width(statement: Statement) -> str | None:
    """Return why a statement is wide; None if it is not."""
    if statement.inverted:
        return "NotAction or NotResource"
    wide = [one for one in statement.actions if {*"*?"} & {*one} and one not in _SINGLE_AND_BATCH]
    if wide:
        return f"Action {', '.join(wide)}"
    everywhere = any(_is_everything(resource) for resource in statement.resources)
    narrowable = [action for action in statement.actions if not _WITHOUT_RESOURCE.fullmatch(action)]
    return f"Resource * for {', '.join(narrowable)}" if everywhere and narrowable else None


def _is_everything(resource: str) -> bool:
    """Return whether a resource is all of a service, as `*` and `arn:aws:sqs:*:*:*`."""
    resource = _VARIABLE.sub("x", resource)
    return not resource.split(":", 5)[-1].strip("*:/") if resource.startswith("arn:") else resource == "*"


def _producer_settings(_: Service, function: Function) -> Iterator[Problem]:
    if names := function.database_variables:
        yield fault(
            function.name,
            f"a producer has {', '.join(names)}: each of its instances can connect, and a spike of requests is "
            "one of connections",
            "remove the variable: a producer emits, and the drain writes",
        )


def _producer_network(service: Service, function: Function) -> Iterator[Problem]:
    own = _security_groups(function)
    for drain in service.drains:
        if own & _security_groups(drain.function):
            yield warning(
                function.name,
                f"a producer is in a security group of {drain.function.name}, which may reach the database",
                "leave the producer outside the VPC (`vpc: null` in serverless.yml), or give it another group",
            )
            return


def _security_groups(function: Function) -> set[str]:
    groups = map(as_text, items(function.resource.at("VpcConfig", "SecurityGroupIds")))
    return {group for group in groups if isinstance(group, str)}


def _producer_role(service: Service, function: Function) -> Iterator[Problem]:
    secrets = [_secret(one) for one in service.database_functions]
    for statement in statements_of(service, role_of(function)):
        reached = [action for action in _TO_DATABASE if statement.allows(action)]
        reads = statement.allows(_READ_SECRET)
        if reads and any(secret and _matches(statement, secret) for secret in secrets):
            reached.append(f"{_READ_SECRET} for the database's secret")
        elif reads and None in secrets:
            yield not_checked(statement.place, "whether the producer may read the database's secret (its ARN)")
        if reached:
            yield fault(
                statement.place,
                f"the role of the producer {function.name} allows {', '.join(reached)}",
                "remove the statement, or give the producer a role of its own (ProducerRole)",
            )


def _secret(function: Function) -> str | None:
    """Return the secret that a function's database is in; empty if none, None if it is not known."""
    url = as_text(function.variables.get(DATABASE_URL, ""))
    if not isinstance(url, str):
        return None
    _, given, credentials = url.partition("credentials=")
    secret = credentials.partition("&")[0] if given else url
    return "" if "://" in secret else secret


def _matches(statement: Statement, secret: str) -> bool:
    """Return whether a statement is about a secret, by the name: accounts and regions are often not known."""
    names = (_name(resource).removesuffix("-??????") for resource in statement.resources)
    return any(fnmatchcase(_name(secret), name) or name == _name(secret) for name in names)


def _name(arn: str) -> str:
    return arn.rpartition(":secret:")[2]


def _password(_: Service, function: Function) -> Iterator[Problem]:
    for name in function.database_variables:
        found = _PASSWORD.match(str(function.variables[name]))
        if found and not found["password"].startswith(("${", "{{resolve:")):
            yield fault(
                function.name,
                f"{name} contains a password in plain text: whoever may read the template or the function reads "
                "it",
                "put the URL into a secret, and its ARN into the variable; then change the password",
            )


def _roles(service: Service) -> list[Function]:
    """Return a function for each role that functions of Penstock have."""
    found: dict[object, Function] = {}
    for function in service.functions:
        try:
            found.setdefault(role_of(function), function)
        except NotKnown:
            found.setdefault(function, function)
    return list(found.values())


_PRODUCER: Final = (_producer_settings, _producer_network, _producer_role)
RULES: Final = (
    ServiceRule("role", "A role allows only what its function needs", _IAM, _roles, _role),
    *(
        ServiceRule(
            "producer",
            "Law 7: a producer has no way to the database, or its concurrency is that of the database",
            "https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html",
            lambda service: service.producers,
            check,
        )
        for check in _PRODUCER
    ),
    ServiceRule(
        "password",
        "Environment variables are part of the template, and everyone with lambda:GetFunction reads them",
        "https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html",
        lambda service: service.database_functions,
        _password,
    ),
)
