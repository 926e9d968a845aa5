"""Rules about the database: what it grants, its idle timeouts, its server and Penstock's own tables in it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from penstock.consumer.schema_check.finding import Finding as SchemaFinding
from penstock.doctor.budget import Budget
from penstock.doctor.finding import Finding, Problem, not_checked, note, warning
from penstock.doctor.granted import Granted, PgBouncer
from penstock.doctor.rule import POSTGRES, Rule
from penstock.doctor.rules.connections import hold_against

_SET_TIMEOUTS: Final = "run `penstock db upgrade --idle-timeouts`"
_POOLED_TIMEOUTS: Final = "ALTER ROLE ... SET it, or set the pooler's own (PgBouncer: idle_transaction_timeout)"

GRANTED: Final = Rule(
    "granted",
    "A connection above what the server, the role or the database grants is refused, at the worst moment",
    f"{POSTGRES}runtime-config-connection.html",
)
POOLER_LIMITS: Final = Rule(
    "pooler-limits",
    "Behind a pooler, its own limits decide who connects and who waits",
    "https://www.pgbouncer.org/config.html",
)
IDLE_TIMEOUTS: Final = Rule(
    "idle-timeouts",
    "The socket of an environment that Lambda has ended or frozen stays in Postgres until something closes it",
    f"{POSTGRES}runtime-config-client.html#GUC-IDLE-SESSION-TIMEOUT",
)
SERVER: Final = Rule(
    "server",
    "A drain needs a primary with UTF8 that keeps what it has committed (`penstock check` has more)",
    f"{POSTGRES}runtime-config-wal.html",
)
LEDGER: Final = Rule(
    "ledger",
    "The drain writes the ledger in the transaction of the intents: without it nothing is written",
    f"{POSTGRES}ddl-schemas.html",
)
RULES: Final = (GRANTED, POOLER_LIMITS, IDLE_TIMEOUTS, SERVER, LEDGER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    """What was read of a database.

    Attributes:
        granted: what the server grants.
        pooled: whether a pooler is before it.
        pooler: the limits of that pooler, if it showed them.
        server: what the schema check says of the server.
        ledger: what it says of Penstock's own tables.
        people: the connections that are kept for people.
    """

    granted: Granted
    pooled: bool
    pooler: PgBouncer | None
    server: tuple[SchemaFinding, ...]
    ledger: tuple[SchemaFinding, ...]
    people: int


def database_findings(database: Database, budget: Budget | None) -> Iterator[Finding]:
    """Yield what is wrong with a database.

    Args:
        database: what was read of it.
        budget: the budget of the service; None if it is not known.
    """
    yield from map(GRANTED.finding, _granted(database, budget))
    yield from map(POOLER_LIMITS.finding, _pooler(database, budget))
    yield from map(IDLE_TIMEOUTS.finding, _idle(database))
    yield from map(SERVER.finding, _translated(database.server))
    yield from map(LEDGER.finding, _translated(database.ledger))


def unreachable(why: str) -> Finding:
    """Return the note that the database was not examined.

    Args:
        why: why not.
    """
    return GRANTED.finding(not_checked(None, f"the database ({why})"))


def _granted(database: Database, budget: Budget | None) -> Iterator[Problem]:
    granted = database.granted
    if budget is None:
        yield not_checked(
            None, "the connections that the database grants (the budget of the service is not known)"
        )
        return
    if database.pooled:
        return
    if granted.superuser:
        yield note(
            None,
            f"the role {granted.role} is a superuser: no limit of connections holds for it, and it takes those "
            "that are kept for repairs",
            "give the functions a role of their own",
        )
    usable = granted.max_connections - granted.reserved
    server = f"max_connections ({granted.max_connections}) less {granted.reserved} reserved"
    yield from hold_against(budget, usable, server, None, database.people)
    if granted.role_limit is not None and not granted.superuser:
        limit = f"the connection limit of the role {granted.role} (ALTER ROLE ... CONNECTION LIMIT)"
        yield from hold_against(budget, granted.role_limit, limit, None, 0)
    if granted.database_limit is not None and not granted.superuser:
        limit = f"the connection limit of the database {granted.database} (ALTER DATABASE ... CONNECTION LIMIT)"
        yield from hold_against(budget, granted.database_limit, limit, None, database.people)


def _pooler(database: Database, budget: Budget | None) -> Iterator[Problem]:
    if not database.pooled or budget is None:
        return
    pooler, granted = database.pooler, database.granted
    if pooler is None:
        yield not_checked(
            None,
            f"the limits of the pooler, which does not show them to the role {granted.role}: it has to accept "
            f"{budget.peak} clients (max_client_conn), and {budget.connections} server connections spare all "
            "waiting (default_pool_size)",
        )
        return
    yield from hold_against(budget, pooler.clients, "the pooler's max_client_conn", None, database.people)
    usable = granted.max_connections - granted.reserved
    limits = [one for one in (usable, granted.role_limit, granted.database_limit) if one is not None]
    if pooler.pool > min(limits):
        yield warning(
            None,
            f"the pooler opens up to {pooler.pool} connections for one user, and the database grants "
            f"{min(limits)}",
            f"set pool_size to {min(limits)} or less: what is above waits in the pooler, and is not refused",
        )
    elif pooler.pool < budget.connections:
        yield note(
            None,
            f"the pooler has {pooler.pool} connections for a budget of {budget.connections}: the others wait in "
            "it, up to query_wait_timeout",
        )


def _idle(database: Database) -> Iterator[Problem]:
    granted = database.granted
    missing = [
        name
        for name, value in (
            ("idle_in_transaction_session_timeout", granted.idle_in_transaction),
            # PostgreSQL warns of it behind a pooler, which keeps idle connections on purpose.
            ("idle_session_timeout", "-" if database.pooled else granted.idle_session),
        )
        if value == "0"
    ]
    if missing:
        hint = _POOLED_TIMEOUTS if database.pooled else _SET_TIMEOUTS
        yield warning(None, f"{' and '.join(missing)} not set for the role {granted.role}", hint)


def _translated(findings: Iterable[SchemaFinding]) -> Iterator[Problem]:
    """Yield findings of the schema check as problems."""
    for finding in findings:
        yield Problem(finding.severity, finding.table, finding.problem, finding.hint)
