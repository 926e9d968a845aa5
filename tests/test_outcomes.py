"""Outcomes, as the holder of a receipt sees them."""

import importlib
import json
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, insert

from penstock.consumer import Outcomes
from penstock.database import ledger, make_engine
from penstock.intents import new_id, sign
from penstock.settings import Settings
from penstock.testing import LambdaContext

SETTINGS = Settings(receipt_key="key")
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"


def ask(receipt: str, outcomes: Outcomes, monkeypatch: pytest.MonkeyPatch) -> tuple[int, dict[str, str], Any]:
    status = importlib.import_module("consumer.status")
    monkeypatch.setattr(status, "outcomes", outcomes)
    path = f"/writes/{receipt}"
    event = {
        "version": "2.0",
        "routeKey": "GET /writes/{receipt}",
        "rawPath": path,
        "pathParameters": {"receipt": receipt},
        "headers": {},
        "requestContext": {"http": {"method": "GET", "path": path}, "stage": "$default"},
    }
    answer = status.handler(event, LambdaContext())
    return answer["statusCode"], answer["headers"], json.loads(answer["body"])


def test_an_intent_that_the_ledger_does_not_know_is_pending(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before it is settled a write is pending, which nobody may cache."""
    receipt = sign(new_id(), "key")
    status, headers, body = ask(str(receipt), Outcomes(SETTINGS, engine=engine), monkeypatch)
    assert (status, body["status"], body["id"]) == (200, "pending", str(receipt.id))
    assert headers["Cache-Control"] == "no-store"
    assert int(headers["Retry-After"]) > 0


@pytest.mark.parametrize(
    ("outcome", "fault", "caching"),
    [
        ("applied", None, "private, max-age=86400"),
        ("stale", None, "private, max-age=86400"),
        ("dead", {"reason": "CheckViolation", "detail": "CheckViolation: ..."}, "no-store"),
    ],
)
def test_a_settled_intent_has_its_outcome(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, outcome: str, fault: Any, caching: str
) -> None:
    """What the ledger knows is answered; what can no longer change may be cached."""
    id_ = new_id()
    with engine.begin() as connection:
        row = {"id": id_, "kind": "k", "outcome": outcome, "fault": fault, "stated_at": "2026-11-20T10:00:00Z"}
        connection.execute(insert(ledger), row)
    status, headers, body = ask(str(sign(id_, "key")), Outcomes(SETTINGS, engine=engine), monkeypatch)
    assert (status, body["status"], body.get("reason")) == (200, outcome, fault and fault["reason"])
    assert body["settled_at"]
    assert headers["Cache-Control"] == caching


@pytest.mark.parametrize("receipt", ["x", "A" * 43, str(sign(UUID(int=7), "another key"))])
def test_a_forged_receipt_is_not_found_without_asking_the_database(
    monkeypatch: pytest.MonkeyPatch, receipt: str
) -> None:
    """A forged receipt is answered with 404 though the database is nowhere to be reached."""
    status, _, problem = ask(receipt, Outcomes(SETTINGS, engine=make_engine(NOWHERE)), monkeypatch)
    assert (status, problem["type"]) == (404, "urn:penstock:problem:not-found")


def test_a_database_that_is_away_is_no_outcome(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the ledger cannot be read the answer is 503: try again."""
    outcomes = Outcomes(SETTINGS, engine=make_engine(NOWHERE))
    status, headers, problem = ask(str(sign(new_id(), "key")), outcomes, monkeypatch)
    assert (status, problem["type"]) == (503, "urn:penstock:problem:outcome-unavailable")
    assert int(headers["Retry-After"]) > 0
    assert "nobody" not in caplog.text
