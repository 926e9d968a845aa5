"""Outcomes, as the holder of a receipt reads them: GET /writes/{receipt}."""

import importlib
import json
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, insert, update

from penstock.consumer import Outcomes
from penstock.database import ledger, make_engine
from penstock.database.holds import held
from penstock.database.ledger import past
from penstock.database.retention import KEPT_DAYS
from penstock.intents import derive_id, new_id, sign
from penstock.settings import Settings
from penstock.testing import LambdaContext

SETTINGS = Settings(receipt_key="key")
NOWHERE = "postgresql://nobody@127.0.0.1:1/nowhere"
STATED = "2026-11-20T10:00:00+00:00"

Ask = Callable[..., tuple[int, dict[str, str], Any]]


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Request the outcome of an id or a receipt as an HTTP API does; return status, headers and body."""

    def ask(
        receipt: UUID | str,
        engine: Engine,
        *,
        method: str = "GET",
        seconds: float = 10,
        settings: Settings = SETTINGS,
        **headers: str,
    ) -> tuple[int, dict[str, str], Any]:
        status = importlib.import_module("penstock.functions.writes")
        monkeypatch.setattr(status, "outcomes", Outcomes(settings, engine=engine))
        monkeypatch.setitem(vars(status.api), "_settings", settings)
        receipt = receipt if isinstance(receipt, str) else str(sign(receipt, "key"))
        path = f"/writes/{receipt}"
        event = {
            "version": "2.0",
            "routeKey": f"{method} /writes/{{receipt}}",
            "rawPath": path,
            "pathParameters": {"receipt": receipt},
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            "requestContext": {"http": {"method": method, "path": path}, "stage": "$default"},
        }
        answer = status.handler(event, LambdaContext(seconds))
        body = json.loads(answer["body"]) if answer["body"] else answer["body"]
        return answer["statusCode"], answer["headers"], body

    return ask


def settle(engine: Engine, id_: UUID, outcome: str = "applied", *, table: Any = ledger, **columns: Any) -> UUID:
    """Enter an outcome in the ledger."""
    with engine.begin() as connection:
        fault = {"fault": {"reason": "r"}} if outcome in {"pending", "dead"} else {}
        row = {"id": id_, "kind": "k", "outcome": outcome, "stated_at": STATED} | fault | columns
        connection.execute(insert(table), row)
    return id_


def old_id(days: float) -> UUID:
    """Return a version 7 id of some days ago."""
    at = datetime.now(UTC) - timedelta(days=days)
    return UUID(int=int(at.timestamp() * 1000) << 80 | (new_id().int & (1 << 80) - 1))


def test_an_intent_that_is_not_in_the_ledger_is_pending(engine: Engine, ask: Ask) -> None:
    """An intent without an outcome is pending, and the answer must not be cached."""
    id_ = new_id()
    status, headers, body = ask(id_, engine)
    assert (status, body["status"], body["id"]) == (200, "pending", str(id_))
    assert headers["Cache-Control"] == "no-store"
    assert int(headers["Retry-After"]) > 0
    assert body.keys() == {"id", "status", "links"}
    assert body["links"]["self"] == f"/writes/{sign(id_, 'key')}"


def test_a_handed_back_intent_is_pending(engine: Engine, ask: Ask) -> None:
    """An intent that the drain will try again is pending, and the answer has the time at which it was stated."""
    _, headers, body = ask(settle(engine, new_id(), "pending"), engine)
    assert (body["status"], body["stated_at"], headers["Cache-Control"]) == ("pending", STATED, "no-store")
    assert "settled_at" not in body


@pytest.mark.parametrize("outcome", ["applied", "stale"])
@pytest.mark.parametrize("table", [ledger, past])
def test_a_final_outcome_may_be_cached(engine: Engine, ask: Ask, outcome: str, table: Any) -> None:
    """An outcome that can no longer change has its times and an entity tag, and may be cached."""
    status, headers, body = ask(settle(engine, new_id(), outcome, table=table), engine)
    assert (status, body["status"], body["stated_at"]) == (200, outcome, STATED)
    assert abs(datetime.fromisoformat(body["settled_at"]) - datetime.now(UTC)) < timedelta(hours=1)
    assert headers["Cache-Control"] == "private, max-age=86400"
    assert "problem" not in body
    assert "Retry-After" not in headers
    assert headers["ETag"].startswith(f'"{outcome}-')


@pytest.mark.parametrize("form", ["{}", "W/{}", '"other", {}', "*"])
def test_a_client_that_has_it_gets_no_body(engine: Engine, ask: Ask, form: str) -> None:
    """If-None-Match with the entity tag is answered with 304 and the same headers."""
    id_ = settle(engine, new_id())
    _, before, _ = ask(id_, engine)
    status, headers, body = ask(id_, engine, if_none_match=form.format(before["ETag"]))
    assert (status, body) == (304, "")
    assert [headers[name] for name in ("ETag", "Cache-Control")] == [before["ETag"], before["Cache-Control"]]
    assert ask(id_, engine, if_none_match='"other"')[0] == 200


def test_a_pending_outcome_has_no_entity_tag(engine: Engine, ask: Ask) -> None:
    """A pending outcome has no entity tag, and If-None-Match has no effect."""
    status, headers, _ = ask(new_id(), engine, if_none_match="*")
    assert (status, "ETag" in headers) == (200, False)


def test_a_dead_intent_has_its_reason(engine: Engine, ask: Ask) -> None:
    """A dead intent has a problem with the stable reason and the wrong fields, without details of the database."""
    fault = {"reason": "invalid-data", "detail": "hunter2", "table": "hunter2", "fields": ["data.path missing"]}
    status, headers, body = ask(settle(engine, new_id(), "dead", fault=fault), engine)
    assert (status, body["status"], headers["Cache-Control"]) == (200, "dead", "no-store")
    assert body["settled_at"]
    problem = body["problem"]
    assert (problem["type"], problem["reason"]) == ("urn:penstock:problem:dead", "invalid-data")
    assert problem["errors"] == [{"field": "data.path", "code": "missing"}]
    assert problem["title"]
    assert problem["detail"]
    assert "hunter2" not in json.dumps(body)


def test_a_reused_key_is_reported(engine: Engine, ask: Ask) -> None:
    """If another payload came under the same key, the outcome reports that, and its entity tag changes."""
    id_ = settle(engine, new_id())
    tag = ask(id_, engine)[1]["ETag"]
    with engine.begin() as connection:
        connection.execute(update(ledger).where(ledger.c.id == id_).values(reused_at=STATED))
    status, _, body = ask(id_, engine, if_none_match=tag)
    assert (status, body["status"], body["reused_at"]) == (200, "applied", STATED)
    assert body["problem"]["type"] == "urn:penstock:problem:idempotency-key-reused"


def test_head_is_get_without_a_body(engine: Engine, ask: Ask) -> None:
    """HEAD gets the status and the headers of GET, and no body."""
    id_ = settle(engine, new_id())
    got, head = ask(id_, engine), ask(id_, engine, method="HEAD")
    assert (head[0], head[1], head[2]) == (got[0], got[1], "")
    assert ask("x", engine, method="HEAD")[0] == 404


@pytest.mark.parametrize("receipt", ["x", "A" * 43, str(sign(UUID(int=7), "another key"))])
def test_an_invalid_receipt_is_not_found_without_the_database(ask: Ask, receipt: str) -> None:
    """An invalid receipt gets 404, even if the database cannot be reached."""
    status, _, problem = ask(receipt, make_engine(NOWHERE), prefer="wait=2")
    assert (status, problem["type"]) == (404, "urn:penstock:problem:not-found")


def test_an_outcome_that_the_ledger_no_longer_has_is_gone(engine: Engine, ask: Ask) -> None:
    """An id that is older than what the ledger keeps, and is not in it, gets 410 at once."""
    status, headers, problem = ask(old_id(KEPT_DAYS + 1), engine, prefer="wait=2")
    assert (status, problem["type"]) == (410, "urn:penstock:problem:gone")
    assert headers["Cache-Control"] == "no-store"


def test_an_outcome_that_the_ledger_still_has_is_not_gone(engine: Engine, ask: Ask) -> None:
    """An id of any age gets the outcome in the ledger, and is pending if a message may still have it."""
    assert ask(settle(engine, old_id(KEPT_DAYS + 1), table=past), engine)[2]["status"] == "applied"
    assert ask(settle(engine, old_id(KEPT_DAYS + 1), "pending"), engine)[2]["status"] == "pending"
    assert ask(old_id(KEPT_DAYS - 1), engine)[2]["status"] == "pending"
    assert ask(old_id(-1), engine)[2]["status"] == "pending"
    assert ask(UUID(int=(1 << 48) - 1 << 80 | 7 << 76 | 2 << 62), engine)[2]["status"] == "pending"


def test_a_derived_id_is_never_gone(engine: Engine, ask: Ask) -> None:
    """An id derived from a key has no time, so it is pending if the ledger does not have it."""
    id_ = derive_id(source="/shop", kind="k", tenant=None, key="k")
    assert ask(id_, engine)[2]["status"] == "pending"


def test_a_waiting_request_is_answered_as_soon_as_the_outcome_is_known(engine: Engine, ask: Ask) -> None:
    """With `Prefer: wait` the outcome is returned once it is known, well before the time is over."""
    id_ = new_id()
    landing = threading.Timer(0.3, settle, [engine, id_])
    landing.start()
    started = time.monotonic()
    settings = Settings(receipt_key="key", wait_limit=8)
    _, headers, body = ask(id_, engine, prefer="wait=7", seconds=60, settings=settings)
    landing.join()
    assert (body["status"], headers["Preference-Applied"]) == ("applied", "wait=7")
    assert 0.2 < time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("prefer", "bounds", "waited"),
    [
        ("wait=100", (1, 10), 1),
        ("respond-async, wait=1", (9, 10), 1),
        ('WAIT="1"; x=y', (9, 10), 1),
        ("wait=1, wait=100", (9, 10), 1),
        ("wait=100", (100, 4.5), 1),
        ("wait=100", (0, 10), None),
        ("wait=100", (100, 2), None),
        ("wait=0", (9, 10), None),
        ("wait=-1", (9, 10), None),
        ("wait=soon", (9, 10), None),
        ("wait", (9, 10), None),
        ("respond-async", (9, 10), None),
        (f"wait={'9' * 5000}", (1, 10), 1),
    ],
)
def test_the_wait_is_bounded(
    engine: Engine, ask: Ask, prefer: str, bounds: tuple[int, float], waited: int | None
) -> None:
    """The wait is at most what is requested, allowed, and left of the invocation; the header has its length."""
    started = time.monotonic()
    limit, seconds = bounds
    settings = Settings(receipt_key="key", wait_limit=limit)
    status, headers, body = ask(new_id(), engine, prefer=prefer, seconds=seconds, settings=settings)
    took = time.monotonic() - started
    assert (status, body["status"]) == (200, "pending")
    assert headers.get("Preference-Applied") == (waited and f"wait={waited}")
    assert (waited or 0) <= took < (waited or 0) + 1


def test_the_ledger_is_polled_slowly(engine: Engine) -> None:
    """A wait of two seconds reads the ledger only a few times."""
    asked: list[str] = []

    @event.listens_for(engine, "before_cursor_execute")
    def count(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        asked.append(statement)

    Outcomes(SETTINGS, engine=engine).find(str(sign(new_id(), "key")), wait_seconds=2)
    assert 3 <= len(asked) <= 7


@pytest.mark.parametrize("outcome", ["applied", "stale", "dead"])
def test_a_known_outcome_is_not_waited_for(
    engine: Engine, ask: Ask, monkeypatch: pytest.MonkeyPatch, outcome: str
) -> None:
    """A settled outcome is returned at once, however long the request may wait."""
    monkeypatch.setattr(time, "sleep", None)
    _, headers, body = ask(settle(engine, new_id(), outcome), engine, prefer="wait=2")
    assert (body["status"], headers["Preference-Applied"]) == (outcome, "wait=2")


def test_an_unreachable_database_is_no_outcome(ask: Ask, caplog: pytest.LogCaptureFixture) -> None:
    """If the ledger cannot be read, the answer is 503 with Retry-After."""
    status, headers, problem = ask(new_id(), make_engine(NOWHERE), prefer="wait=2")
    assert (status, problem["type"]) == (503, "urn:penstock:problem:outcome-unavailable")
    assert int(headers["Retry-After"]) > 0
    assert "nobody" not in caplog.text


def test_an_expired_intent_is_final(engine: Engine, ask: Ask) -> None:
    """Its outcome may be cached, and says how to make the write after all."""
    _, headers, body = ask(settle(engine, new_id(), "expired"), engine)
    assert (body["status"], headers["Cache-Control"]) == ("expired", "private, max-age=86400")
    assert body["problem"]["type"] == "urn:penstock:problem:expired"
    assert "another idempotency key" in body["problem"]["detail"]


@pytest.mark.parametrize("days", [0, KEPT_DAYS + 1])
def test_a_held_intent_is_pending(engine: Engine, ask: Ask, days: int) -> None:
    """It is pending because it is held, also after the ledger has forgotten it."""
    id_ = old_id(days)
    if days:
        park = {"message_id": "m", "id": id_, "kind": "k", "body": "{}", "attributes": {}}
        with engine.begin() as connection:
            connection.execute(insert(held), park)
    else:
        settle(engine, id_, "pending", fault={"reason": "held"})
    status, headers, body = ask(id_, engine)
    assert (status, body["status"], body["reason"]) == (200, "pending", "held")
    assert headers["Cache-Control"] == "no-store"
