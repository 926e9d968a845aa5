"""Rules about connections: the budget, the pool of a function, the proxy of the database."""

import re
from collections.abc import Iterator
from typing import Final

from penstock.doctor.budget import Budget, NoBound, budget_of
from penstock.doctor.finding import NotKnown, Problem, fault, not_checked, note, warning
from penstock.doctor.pieces import DATABASE_URL, POOL_SIZE, Function, Piece
from penstock.doctor.rule import LAMBDA, ServiceRule, whole
from penstock.doctor.service import Service, items, referred
from penstock.doctor.stack import Resource
from penstock.doctor.values import Unknown, as_number

_RESERVED_FOR_SUPERUSERS: Final = 3
"""PostgreSQL documentation, "Connections and Authentication": the default of superuser_reserved_connections."""
_BORROW_SECONDS: Final = 120
_POOLERS: Final = (
    (re.compile(r"://[^/?#]*:6432(?=[/?#]|$)"), "the port 6432 is PgBouncer's"),
    (re.compile(r"://[^/?#]*:6543(?=[/?#]|$)"), "the port 6543 is that of Supabase's pooler"),
    (re.compile(r"-pooler\.[^/?#]*"), "the host is Neon's pooler"),
    (re.compile(r"://[^/?#]*\.proxy-[^/?#]*\.rds\."), "the host is an RDS Proxy"),
)
_RDS_PROXY: Final = "https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/rds-proxy-connections.html"


def _budget(service: Service, _: Service) -> Iterator[Problem]:
    """Law 6: the functions never hold more connections than the budget says."""
    try:
        connections = budget_of(service).connections
    except NoBound as error:
        yield fault(error.function, str(error), error.hint)
        return
    stated = as_number(service.stack.output("ConnectionBudget"))
    if isinstance(stated, Unknown):
        raise NotKnown(None, f"the output ConnectionBudget ({stated.why})")
    if stated is not None and stated != connections:
        text = (
            f"budget is {stated}, and the functions hold up to {connections} connections (concurrency x pool size)"
        )
        hint = (
            f"set `budget: {connections}` (the output ConnectionBudget), and check that the database grants them"
        )
        yield (fault if stated < connections else warning)(None, text, hint)


def _max_connections(service: Service, group: Resource) -> Iterator[Problem]:
    """Hold the budget against `max_connections` where the template has both, and no proxy between them."""
    most = Piece(group).number("Parameters", "max_connections")
    if most is None or any(service.of_type("AWS::RDS::DBProxyTargetGroup")):
        return
    granted = int(most) - _RESERVED_FOR_SUPERUSERS
    where = f"max_connections ({most}) less {_RESERVED_FOR_SUPERUSERS} for superusers"
    yield from hold_against(_known_budget(service), granted, where, group.name, service.people)


def hold_against(budget: Budget, granted: int, where: str, resource: str | None, people: int) -> Iterator[Problem]:
    """Yield what is wrong if something grants fewer connections than a service can hold.

    Args:
        budget: the budget.
        granted: how many connections are granted.
        where: what grants them.
        resource: the resource that does.
        people: the connections that are kept for people.
    """
    needed = budget.peak + people
    kept = f" and {people} for people" * bool(people)
    if budget.connections > granted:
        yield fault(
            resource,
            f"{where} leaves {granted} connections, and the budget is {budget.connections}",
            f"grant {needed}, which is enough while a deployment shifts{kept}; or lower the concurrency",
        )
    elif needed > granted:
        yield warning(
            resource,
            f"{where} leaves {granted} connections; while a deployment shifts, the service can hold {budget.peak}"
            f"{kept and f', and {people} are kept for people'}",
            f"grant {needed}; or lower the concurrency; with idle timeouts (`penstock db upgrade "
            "--idle-timeouts`), the old sockets are gone sooner",
        )


def _pool(_: Service, function: Function) -> Iterator[Problem]:
    size = as_number(function.variables.get(POOL_SIZE, 1))
    if isinstance(size, Unknown):
        raise NotKnown(function.name, f"{POOL_SIZE} ({size.why})")
    if size is not None and size > 1:
        yield warning(
            function.name,
            f"{POOL_SIZE} is {size}: {size - 1} of {size} connections of each instance count in the budget, and "
            "are hardly used",
            "set it to 1 (custom.penstock.poolSize in serverless.yml), and lower the budget",
        )


def _pooler(_: Service, function: Function) -> Iterator[Problem]:
    url = function.variables.get(DATABASE_URL)
    for pattern, why in _POOLERS:
        if isinstance(url, str) and pattern.search(url):
            yield note(
                function.name,
                f"the database is behind a pooler ({why}): the budget counts connections to the pooler",
                "hold the pooler's own limits against the budget; with --database-url they are read, if it shows "
                "them",
            )


def _proxy(service: Service, targets: Resource) -> Iterator[Problem]:
    """The proxy shares its connections: it needs the budget, and not the sockets of old environments."""
    proxy = Piece(targets)
    info = "ConnectionPoolConfigurationInfo"
    percent = proxy.number(info, "MaxConnectionsPercent", default=100) or 0
    most = _connections_of_targets(service, targets)
    stated = as_number(service.stack.output("ConnectionBudget"))
    budget = stated if isinstance(stated, int) else _known_budget(service).connections
    if most is None:
        yield not_checked(targets.name, "max_connections of the proxy's database (the template does not set it)")
    elif percent > 100 or most * percent < 100 * budget:  # noqa: PLR2004 (percent)
        yield fault(
            targets.name,
            f"the proxy opens {percent} % of {most} connections, and the budget is {budget}",
            "raise max_connections (custom.penstock.aurora.maxConnections), or MaxConnectionsPercent "
            "(aurora.proxyPercent)",
        )
    borrow = proxy.number(info, "ConnectionBorrowTimeout", default=_BORROW_SECONDS) or 0
    for drain in service.drains:
        if borrow >= drain.function.timeout:
            yield warning(
                targets.name,
                f"the proxy makes a drain wait {borrow} s for a connection, and {drain.function.name} has "
                f"{drain.function.timeout} s",
                "set ConnectionBorrowTimeout to 5 s: the drain can then hand its batch back",
            )


def _connections_of_targets(service: Service, targets: Resource) -> int | float | None:
    """Return `max_connections` of the targets of a proxy; None if the template does not set it."""
    clusters = {referred(one) for one in items(targets.at("DBClusterIdentifiers"))} - {None}
    instances = {referred(one) for one in items(targets.at("DBInstanceIdentifiers"))} - {None}
    for instance in service.of_type("AWS::RDS::DBInstance"):
        if instance in instances or referred(instance.at("DBClusterIdentifier")) in clusters:
            instances.add(instance)
    named = [one.at("DBParameterGroupName") for one in instances if one]
    named += [one.at("DBClusterParameterGroupName") for one in clusters if one]
    for group in map(referred, named):
        found = group and Piece(group).number("Parameters", "max_connections")
        if found:
            return found
    return None


def _known_budget(service: Service) -> Budget:
    try:
        return budget_of(service)
    except NoBound as error:
        raise NotKnown(error.function, f"the budget ({error})") from None


RULES: Final = (
    ServiceRule(
        "budget",
        "A function holds concurrency x pool size, and the sum over all functions has to be granted by the "
        "database",
        f"{LAMBDA}configuration-concurrency.html",
        whole,
        _budget,
    ),
    ServiceRule(
        "max-connections",
        "Old and new environments live side by side while a deployment shifts, and each keeps its sockets",
        "https://docs.aws.amazon.com/whitepapers/latest/serverless-architectures-lambda/deployment.html",
        lambda service: service.of_type("AWS::RDS::DBParameterGroup"),
        _max_connections,
    ),
    ServiceRule(
        "proxy",
        "A proxy opens a share of max_connections; a drain that waits for a connection must not time out",
        _RDS_PROXY,
        lambda service: service.of_type("AWS::RDS::DBProxyTargetGroup"),
        _proxy,
    ),
    ServiceRule(
        "pool",
        "An instance of a function handles one event at a time, with one connection",
        f"{LAMBDA}lambda-concurrency.html",
        lambda service: service.database_functions,
        _pool,
    ),
    ServiceRule(
        "pooler",
        "A pooler has limits of its own, which no template has",
        "https://www.pgbouncer.org/config.html",
        lambda service: service.database_functions,
        _pooler,
    ),
)
