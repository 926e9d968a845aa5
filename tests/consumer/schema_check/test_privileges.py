"""The privileges of the connected role: the check finds each one that the drain needs, and no others."""

from collections.abc import Iterator, Sequence
from uuid import uuid4

import pytest
from sqlalchemy import URL, Engine, make_url

from penstock import WriteIntent
from penstock.consumer.schema_check.finding import Finding
from penstock.database import make_engine
from penstock.intents import kind_of
from penstock.testing import LambdaContext, sqs_event
from tests.support.lengths import stepped
from tests.support.schema_check import (
    FAULT,
    NOTE,
    WARNING,
    Adjusted,
    Changed,
    Placed,
    Removed,
    Visited,
    check,
    execute,
    make_drain,
)

NOW = "2026-11-20T10:00:00Z"
INTENTS: Sequence[WriteIntent] = (
    Placed.model_validate_json(
        f'{{"region": "eu", "number": 1, "customer": "a", "total": 1, "placed_at": "{NOW}"}}'
    ),
    Changed.model_validate_json(f'{{"region": "eu", "number": 1, "state": "open", "changed_at": "{NOW}"}}'),
    Removed.model_validate_json(f'{{"region": "eu", "number": 1, "placed_at": "{NOW}"}}'),
    Adjusted(sku="a", delta=1),
    Visited(path="/"),
)


@pytest.fixture
def clerk(made: Engine, database_url: str) -> Iterator[Engine]:
    """An engine of a role without privileges, whose name needs quotes."""
    name = f"The Clerk {uuid4()}"
    execute(made, f"CREATE ROLE \"{name}\" LOGIN PASSWORD 'hunter2'")
    url: URL = make_url(database_url).set(username=name, password="hunter2")
    engine = make_engine(url.render_as_string(hide_password=False))
    yield engine
    engine.dispose()


def grants(findings: Sequence[Finding]) -> list[str]:
    """Return the grants that a role needs; no other fault is allowed."""
    hints = [one.hint or "" for one in findings if one.severity == FAULT]
    assert [hint for hint in hints if not hint.startswith("GRANT ")] == []
    return list(dict.fromkeys(hints))


def by_column(grant: str) -> list[str]:
    """Split a grant on columns into one grant per column."""
    head, opened, rest = grant.partition("(")
    columns, _, tail = rest.partition(")")
    return [f"{head}({column}){tail}" for column in columns.split(", ")] if opened else [grant]


def written_kinds(engine: Engine) -> set[str]:
    """Drain one intent of each kind and return the kinds that were written."""
    intents = [type(intent).model_validate_json(intent.model_dump_json()) for intent in INTENTS]
    event = sqs_event(intents)
    answer = make_drain(engine).handler(event, LambdaContext())
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    records = zip(event["Records"], intents, strict=True)
    return {kind_of(type(intent)) for record, intent in records if record["messageId"] not in failed}


def test_every_missing_privilege_is_found(made: Engine, clerk: Engine) -> None:
    """After the grants in the hints, the check has no findings and every kind is written."""
    assert written_kinds(clerk) == set()
    while todo := grants(check(clerk)):
        execute(made, *todo)
    assert [one.severity for one in check(clerk)] == [NOTE]
    assert written_kinds(clerk) == {"placed", "changed", "removed", "adjusted", "visited"}


@pytest.mark.parametrize("step", stepped(6))
def test_every_privilege_found_is_required(made: Engine, clerk: Engine, step: int) -> None:
    """If any one of these privileges is revoked, the check finds it, and some kind is not written."""
    asked: list[str] = []
    while todo := grants(check(clerk)):
        asked += todo
        execute(made, *todo)
    for grant in [part for one in asked if "penstock" not in one for part in by_column(one)][::step]:
        execute(made, grant.replace("GRANT", "REVOKE", 1).replace(" TO ", " FROM "))
        assert grants(check(clerk)) == [grant]
        assert len(written_kinds(clerk)) < len(INTENTS), grant
        execute(made, grant)


def test_both_generations_of_the_ledger_are_checked(made: Engine, clerk: Engine) -> None:
    """The role needs privileges on both generations of the ledger."""
    execute(made, "REVOKE ALL ON penstock.ledger_past FROM PUBLIC")
    closed = [one for one in check(clerk) if one.table == "penstock.ledger_past"]
    assert {one.severity for one in closed} == {FAULT}
    assert all((one.hint or "").startswith("GRANT ") for one in closed)


def test_unreadable_revisions_are_a_note(made: Engine, clerk: Engine) -> None:
    """A note says that missing migrations cannot be detected."""
    execute(made, "GRANT USAGE ON SCHEMA penstock TO PUBLIC")
    notes = [one.problem for one in check(clerk) if one.severity == NOTE]
    assert notes == [
        "missing migrations cannot be detected, because the role may not read penstock.alembic_version"
    ]


def test_row_level_security_is_a_warning(made: Engine, clerk: Engine) -> None:
    """If policies apply to the role, they decide what is written."""
    execute(made, "ALTER TABLE stock ENABLE ROW LEVEL SECURITY")
    (finding,) = [one for one in check(clerk) if one.severity == WARNING]
    assert (finding.kind, finding.table) == ("adjusted", "public.stock")
    assert "row level security" in finding.problem
