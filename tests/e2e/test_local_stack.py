"""The service as `penstock local up` deploys it: HTTP requests in, rows in Postgres out."""

import json
import random
import shutil
import signal
import subprocess
import uuid
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import psycopg
import pytest
from botocore.exceptions import ClientError

from penstock import WriteIntent
from penstock.consumer.dead_letter import FAULT_ATTRIBUTE, unstamp
from penstock.intents import encode_envelope, encode_reference
from penstock.local import state
from penstock.local.errors import LocalError
from penstock.local.processes import load_process, process_tree, send_signal
from penstock.local.stack import LocalDeployment
from penstock.local.state import LocalState
from penstock.queue import Outgoing, Received, SqsQueue, new_key, reference_to
from shared.intents import EmailRequested, OrderPlaced, OrderStatusChanged, StockAdjusted
from tests.support.cli_stack import PROGRAM, Run
from tests.support.deployed import accepted, aws, eventually, page_view, rows
from tests.support.project import ROOT
from tests.support.terminals import Terminal

pytestmark = [pytest.mark.xdist_group("deployment"), pytest.mark.timeout(300)]


def envelope(data: dict[str, Any]) -> str:
    head = {"specversion": "1.0", "id": str(uuid.uuid4()), "source": "/shop", "type": "page.viewed"}
    return json.dumps(head | {"time": "2026-11-20T10:00:00Z", "data": data})


def test_request_to_row(live: LocalState, api: httpx.Client) -> None:
    """A request is answered 202, its row is there within seconds, and its receipt becomes `applied`."""
    body = page_view(duration_ms=1200)
    answer = accepted(api.post("/page-views", json=body))
    assert eventually(lambda: rows(live, body["path"]))
    ((path, visitor, viewed_at, duration),) = rows(live, body["path"])
    assert (path, str(visitor), duration) == (body["path"], body["visitor"], 1200)
    assert viewed_at.isoformat() == "2026-11-20T10:00:00+00:00"
    assert eventually(lambda: api.get(answer.headers["Location"]).json()["status"] == "applied")


def test_example(live: LocalState) -> None:
    """The curl command that `up` prints works."""
    if shutil.which("curl") is None:
        pytest.skip("there is no curl here")
    done = subprocess.run(["sh", "-c", live.curl], capture_output=True, text=True, check=True)
    assert " 202 " in done.stdout.splitlines()[0]


def test_idempotency_key(live: LocalState, api: httpx.Client) -> None:
    """A request sent twice with one idempotency key gets one receipt and leaves one row."""
    body, headers = page_view(), {"Idempotency-Key": f'"{uuid.uuid4()}"'}
    answers = [api.post("/page-views", json=body, headers=headers) for _ in range(2)]
    marker = page_view()
    accepted(api.post("/page-views", json=marker))
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].headers["Location"] == answers[1].headers["Location"]
    assert eventually(lambda: rows(live, body["path"]) and rows(live, marker["path"]))
    assert len(rows(live, body["path"])) == 1


def test_bad_request(api: httpx.Client) -> None:
    """A request with an unknown field is refused with problem+json that names the field."""
    answer = api.post("/page-views", json=page_view(colour="blue"))
    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "colour" in answer.text


@pytest.mark.parametrize("sku", ["\u20ac", "\U0001f600", 'a"b', "50%", "%41", "a b+c", "`|^\\"])
def test_path_value(live: LocalState, api: httpx.Client, sku: str) -> None:
    """Any text in a path, percent-encoded, is the text in the row."""
    sku = f"{sku}{uuid.uuid4()}"
    accepted(api.post(f"/stock/{quote(sku, safe='')}/adjustments", json={"delta": 1}))

    def applied() -> bool:
        with psycopg.connect(live.database_url) as connection:
            query = "SELECT count(*) FROM stock WHERE sku = %s"
            return connection.execute(query, [sku]).fetchone() == (1,)

    assert eventually(applied)


def test_authorization(live: LocalState, api: httpx.Client) -> None:
    """A request without the stage's token reaches no route, not even an unknown one."""
    bare = {"Host": live.api_headers["Host"]}
    with httpx.Client(base_url=live.api_url, headers=bare, timeout=30, trust_env=False) as client:
        assert client.post("/page-views", json=page_view()).status_code == 401
        for path in ("/writes/x", "/openapi.json"):
            assert client.get(path).status_code == 401
            assert client.get(path, headers={"Authorization": "Bearer other"}).status_code == 403


def test_tenants(api: httpx.Client) -> None:
    """One idempotency key of two tenants makes two writes, and of one tenant it makes one."""
    key = str(uuid.uuid4())
    tokens = [f"Bearer local:{tenant}" for tenant in ("a", "b", "a")]
    headers = [{"Idempotency-Key": key, "Authorization": token} for token in tokens]
    body = page_view()
    places = [accepted(api.post("/page-views", json=body, headers=each)).headers["Location"] for each in headers]
    assert places[0] == places[2] != places[1]


def test_wait_for_an_outcome(api: httpx.Client) -> None:
    """A request with `Prefer: wait` is answered once the write is applied, and a final outcome has an ETag."""
    answer = accepted(api.post("/page-views", json=page_view(), headers={"Prefer": "respond-async"}))
    assert answer.headers["Preference-Applied"] == "respond-async"
    place = answer.headers["Location"]
    assert eventually(lambda: api.get(place, headers={"Prefer": "wait=2"}).json()["status"] == "applied")
    answer = api.get(place, headers={"Prefer": "wait=60"})
    assert (answer.headers["Preference-Applied"], answer.headers["Cache-Control"]) == (
        "wait=2",
        "private, max-age=86400",
    )
    head = api.head(place)
    assert (head.status_code, head.content, head.headers["ETag"]) == (200, b"", answer.headers["ETag"])
    again = api.get(place, headers={"If-None-Match": answer.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_outcomes_that_are_problems(api: httpx.Client) -> None:
    """A dead write has its reason, a reused key is reported, and a forged receipt is not found."""
    bad = accepted(api.post("/page-views", json=page_view(duration_ms=2_000_000_000))).headers["Location"]
    assert eventually(lambda: api.get(bad).json()["status"] == "dead")
    assert api.get(bad).json()["problem"]["reason"] == "CheckViolation"
    headers = {"Idempotency-Key": str(uuid.uuid4())}
    first, second = (accepted(api.post("/page-views", json=page_view(), headers=headers)) for _ in range(2))
    assert first.headers["Location"] == second.headers["Location"]
    assert eventually(lambda: "reused_at" in api.get(first.headers["Location"]).json())
    forged = api.get("/writes/x")
    assert (forged.status_code, forged.json()["type"]) == (404, "urn:penstock:problem:not-found")


def test_batch(live: LocalState, api: httpx.Client) -> None:
    """The valid lines of a batch are applied, and the invalid one gets an error status."""
    views = [page_view(), page_view(colour="blue"), page_view()]
    content = "".join(json.dumps({"type": "page.viewed", "data": view}) + "\n" for view in views)
    answer = api.post("/batches", content=content, headers={"Content-Type": "application/x-ndjson"})
    assert answer.status_code == 207
    assert [item["status"] for item in answer.json()["items"]] == [202, 422, 202]
    assert eventually(lambda: [len(rows(live, view["path"])) for view in views] == [1, 0, 1])
    assert api.post("/batches", json=[]).json()["type"] == "urn:penstock:problem:bad-batch"


def test_description(api: httpx.Client) -> None:
    """The API serves the OpenAPI document of the repository."""
    assert api.get("/openapi.json").json() == json.loads((ROOT / "producer" / "openapi.json").read_text())


def test_invalid_path_value(api: httpx.Client) -> None:
    """A path value that Postgres cannot store is an error of its field."""
    answer = api.post("/stock/a%00b/adjustments", json={"delta": 1})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == ["sku"]


def test_dead_letter(live: LocalState) -> None:
    """A message that the database refuses is dead-lettered with its reason, and its neighbours are applied."""
    good, bad = page_view(), page_view(duration_ms=2_000_000_000)
    sqs = aws(live, "sqs")
    entries = [{"Id": str(n), "MessageBody": envelope(data)} for n, data in enumerate([good, bad, page_view()])]
    assert not sqs.send_message_batch(QueueUrl=live.queue_url, Entries=entries).get("Failed")
    dead_letters: list[dict[str, Any]] = []

    def found() -> bool:
        answer = sqs.receive_message(
            QueueUrl=live.dead_letter_queue_url, MaxNumberOfMessages=10, MessageAttributeNames=["All"]
        )
        dead_letters.extend(message for message in answer.get("Messages", []) if bad["path"] in message["Body"])
        return bool(dead_letters)

    assert eventually(found)
    reason = json.dumps(dead_letters[0]["MessageAttributes"])
    assert "23514" in reason
    assert "duration_within_a_day" in reason
    assert eventually(lambda: rows(live, good["path"]))
    assert rows(live, bad["path"]) == []


def test_every_mode_in_any_order(live: LocalState) -> None:
    """Messages that are sent three times and in random order leave the expected tables."""
    order, sku = uuid.uuid4(), f"sku-{uuid.uuid4()}"
    begun = datetime(2026, 11, 20, 10, tzinfo=UTC)
    changed = [
        OrderStatusChanged.model_validate(
            {"order_id": order, "status": status, "changed_at": begun + timedelta(minutes=n)}
        )
        for n, status in enumerate(("paid", "packed", "shipped", "delivered"))
    ]
    placed = [
        OrderPlaced(order_id=order, customer=name, total=Decimal(7), placed_at=begun + timedelta(hours=n))
        for n, name in enumerate(("first", "second"))
    ]
    adjusted = [StockAdjusted(sku=sku, delta=delta) for delta in (5, -2, 11, -3)]
    email = EmailRequested(to="someone@example.com", subject=sku, body="hello")
    intents = [*changed, *placed, *adjusted, email]
    bodies = 3 * [encode_envelope(intent, id=intent.intent_id, source="/shop") for intent in intents]
    random.shuffle(bodies)
    put(live, bodies)
    assert eventually(lambda: settled(live, intents) == len(intents))
    put(live, [encode_envelope(StockAdjusted(sku=sku, delta=1000), id=adjusted[0].intent_id, source="/shop")])
    with psycopg.connect(live.database_url, autocommit=True) as connection:

        def ask(query: str, *parameters: Any) -> list[tuple[Any, ...]]:
            return connection.execute(query, parameters).fetchall()

        reused = "SELECT count(*) FROM penstock.ledger WHERE id = %s AND reused_at IS NOT NULL"
        assert eventually(lambda: ask(reused, adjusted[0].intent_id) == [(1,)])
        row = ask("SELECT customer, total, status, status_changed_at FROM orders WHERE order_id = %s", order)
        assert row == [("second", Decimal("7.00"), "delivered", begun + timedelta(minutes=3))]
        history = ask("SELECT status FROM order_status_history WHERE order_id = %s ORDER BY changed_at", order)
        assert history == [(intent.status,) for intent in changed]
        assert ask("SELECT quantity FROM stock WHERE sku = %s", sku) == [(11,)]
        assert ask("SELECT count(*) FROM outbox WHERE subject = %s", sku) == [(1,)]


def put(live: LocalState, bodies: Sequence[str]) -> None:
    """Send messages directly to the queue, ten at a time."""
    sqs = aws(live, "sqs")
    for start in range(0, len(bodies), 10):
        entries = [{"Id": str(n), "MessageBody": body} for n, body in enumerate(bodies[start : start + 10])]
        assert not sqs.send_message_batch(QueueUrl=live.queue_url, Entries=entries).get("Failed")


def settled(live: LocalState, intents: Sequence[WriteIntent]) -> int:
    """Return how many of the intents are applied or stale."""
    query = "SELECT count(*) FROM penstock.ledger WHERE id = ANY(%s) AND outcome IN ('applied', 'stale')"
    with psycopg.connect(live.database_url) as connection:
        (row,) = connection.execute(query, [[intent.intent_id for intent in intents]]).fetchall()
    return int(row[0])


def test_burst_within_budget(live: LocalState, api: httpx.Client) -> None:
    """The service holds at most its budget of connections while it drains many requests."""
    stacks = aws(live, "cloudformation").describe_stacks(StackName="shop-local")["Stacks"]
    outputs = {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}
    body = page_view()
    held: list[int] = []
    with psycopg.connect(live.database_url, autocommit=True) as watcher, ThreadPoolExecutor(8) as pool:
        answers = [pool.submit(api.post, "/page-views", json=body) for _ in range(200)]

        def all_applied() -> bool:
            query = "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> %s"
            held.extend(row[0] for row in watcher.execute(query, [watcher.info.backend_pid]))
            landed = watcher.execute("SELECT count(*) FROM page_views WHERE path = %s", [body["path"]])
            return landed.fetchone() == (200,)

        # Each request starts on processors that other tests may have to themselves for seconds.
        assert eventually(all_applied, 120)
        assert {answer.result().status_code for answer in answers} == {202}
    assert 0 < max(held) <= int(outputs["ConnectionBudget"])


def test_producers_have_no_database_url(live: LocalState) -> None:
    """The producer functions have no environment variable with a database URL."""
    functions = aws(live, "lambda")
    for name in ("page-views", "orders", "stock", "emails", "batches", "openapi"):
        found = functions.get_function_configuration(FunctionName=f"shop-local-{name}")
        assert not [key for key in found["Environment"]["Variables"] if "DATABASE" in key]


def test_producers_may_not_read_the_database_url(live: LocalState) -> None:
    """The producers' role cannot read the secret with the database's URL, and the drain's role can."""
    secret = "penstock/shop/local/database-url"
    assert as_role(live, "drain").get_secret_value(SecretId=secret)["SecretString"] == live.database_url
    with pytest.raises(ClientError, match="AccessDenied"):
        as_role(live, "page-views").get_secret_value(SecretId=secret)


def as_role(live: LocalState, function: str) -> Any:
    """Return a Secrets Manager client with the permissions of a function."""
    role = aws(live, "lambda").get_function_configuration(FunctionName=f"shop-local-{function}")["Role"]
    taken = aws(live, "sts").assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    keys = {"aws_access_key_id": taken["AccessKeyId"], "aws_secret_access_key": taken["SecretAccessKey"]}
    return aws(live, "secretsmanager", **keys, aws_session_token=taken["SessionToken"])


def test_outage(stack: LocalDeployment, live: LocalState, api: httpx.Client) -> None:
    """The breaker disables the drain while the database is down, and the probe enables it; nothing is lost."""
    functions, body = aws(live, "lambda"), page_view()
    stack.postgres.stop()
    try:
        accepted(api.post("/page-views", json=body))
        assert eventually(lambda: mapping(live)["State"] == "Disabled")
        assert probe(functions) == "open"
        assert mapping(live)["State"] == "Disabled"
    finally:
        stack.postgres.start()
    assert probe(functions) in {"half-open", "closed"}
    assert eventually(lambda: mapping(live)["State"] == "Enabled")
    assert eventually(lambda: rows(live, body["path"]))
    # The scheduled probe can run first; in both cases the breaker ends closed, and its tag is removed.
    assert eventually(lambda: probe(functions) == "closed")
    assert functions.list_tags(Resource=mapping(live)["EventSourceMappingArn"])["Tags"] == {}


def test_probe_leaves_a_manual_disable(live: LocalState) -> None:
    """The probe does not enable an event source mapping that an operator disabled."""
    functions, uuid_ = aws(live, "lambda"), mapping(live)["UUID"]
    functions.update_event_source_mapping(UUID=uuid_, Enabled=False)
    try:
        assert probe(functions) == "closed"
        assert mapping(live)["State"] == "Disabled"
    finally:
        functions.update_event_source_mapping(UUID=uuid_, Enabled=True)


@pytest.mark.usefixtures("short_polls")
def test_watching(live: LocalState, api: httpx.Client, folder: Path, run: Run) -> None:
    """Status, top, breaker, ledger and audit report what the deployed service does."""

    def penstock(*words: str, code: int = 0) -> list[dict[str, Any]]:
        ended = run(*words, "--json")
        assert ended.code == code, ended.err
        return ended.rows

    (folder / "serverless.yml").write_text("service: shop\n")
    (folder / state.FOLDER).mkdir()
    state.write(folder / state.FOLDER, live)
    # An audit is not decided while another test's dead letter is leased, which can last for minutes.
    aws(live, "sqs").purge_queue(QueueUrl=live.dead_letter_queue_url)
    views = [page_view(duration_ms=ms) for ms in (1, 2, 2_000_000_000)]
    answers = [accepted(api.post("/page-views", json=view)) for view in views]
    for answer in answers:
        assert eventually(partial(is_final, api, answer.headers["Location"]))
    ids = [answer.json()["id"] for answer in answers]
    (folder / "ids").write_text("\n".join(ids))
    assert eventually(lambda: penstock("audit", "--ids", "ids")[-1]["result"] == "adds-up")
    (account,) = penstock("audit", "--ids", "ids", "--check")
    assert (account["emitted"], account["applied"], account["dead"]) == (3, 2, 1)
    (entry,) = penstock("ledger", "show", ids[2])
    assert (entry["outcome"], entry["fault"]["constraint"]) == ("dead", "duration_within_a_day")
    (status,) = penstock("status")
    assert status["drain"]["applied"] >= 2
    assert 0 < status["connections"]["held"] <= status["connections"]["budget"]
    try:
        (opened,) = penstock("breaker", "open", "--reason", "test", "--yes")
        assert (opened["by"], mapping(live)["State"]) == ("operator", "Disabled")
        assert probe(aws(live, "lambda")) == "closed"
        (status,) = penstock("status", "--check", code=10)
        assert (status["breaker"]["position"], mapping(live)["State"]) == ("open", "Disabled")
    finally:
        (closed,) = penstock("breaker", "close")
    assert (closed["position"], mapping(live)["State"]) == ("closed", "Enabled")
    with Terminal([PROGRAM, "top"], cwd=folder) as terminal:
        terminal.wait_for("shop-local")
        terminal.wait_for("duration_within_a_day")
        terminal.press("q")
        assert terminal.ended() == 0
        assert terminal.restored


def is_final(api: httpx.Client, place: str) -> bool:
    """Wait for the outcome of a write, for a moment; return whether it is known."""
    return bool(api.get(place, headers={"Prefer": "wait=2"}).json()["status"] != "pending")


def test_prune(live: LocalState) -> None:
    """The prune function reaches the database with its own role, and finds nothing to do in a new one."""
    answer = aws(live, "lambda").invoke(FunctionName="shop-local-prune")
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    assert (result["rotation"], result["tombstones"]) == ("not-due", 0)


def mapping(live: LocalState) -> dict[str, Any]:
    """Return the current event source mapping of the drain."""
    (found,) = aws(live, "lambda").list_event_source_mappings(FunctionName="shop-local-drain")[
        "EventSourceMappings"
    ]
    return dict(found)


def probe(functions: Any) -> str:
    """Run the probe now, without its schedule, and return the position of the breaker."""
    answer = functions.invoke(FunctionName="shop-local-probe")
    result = json.loads(answer["Payload"].read())
    assert "FunctionError" not in answer, result
    return str(result["breaker"])


def test_dead_letters_function(live: LocalState) -> None:
    """The dead-letters function lists and replays dead letters with its own role."""
    id_ = str(uuid.uuid4())
    head = {"specversion": "1.0", "id": id_, "source": "/shop", "type": "page.viewed"}
    body = json.dumps(head | {"time": "2026-11-20T10:00:00Z", "data": page_view()})
    aws(live, "sqs").send_message(QueueUrl=live.dead_letter_queue_url, MessageBody=body)

    def ask(**event: Any) -> dict[str, Any]:
        payload = json.dumps(event).encode()
        done = aws(live, "lambda").invoke(FunctionName="shop-local-dead-letters", Payload=payload)
        answer: dict[str, Any] = json.loads(done["Payload"].read())
        return answer

    assert ask(action="list", selector={"ids": [id_]})["dead_letters"][0]["origin"] == "sqs"
    answer = ask(action="replay", selector={"ids": [id_]}, actor="tests")
    assert (answer["counts"], answer["missing"]) == ({"replayed": 1}, [])
    with psycopg.connect(live.database_url) as connection:
        query = "SELECT outcome FROM penstock.ledger WHERE id = %s"
        assert eventually(lambda: connection.execute(query, [id_]).fetchone() == ("applied",))


def test_up_again(stack: LocalDeployment, live: LocalState) -> None:
    """A second `up` finds a current deployment and deploys nothing."""
    steps: list[str] = []
    assert stack.up(steps.append) == live
    assert not [step for step in steps if "deploying" in step]


def test_crash(stack: LocalDeployment, live: LocalState, api: httpx.Client) -> None:
    """`up` restores the stack and its data after all processes were killed."""
    body = page_view()
    accepted(api.post("/page-views", json=body))
    assert eventually(lambda: rows(live, body["path"]))
    process = load_process(stack.aws.folder / "process.json")
    assert process is not None
    send_signal(signal.SIGKILL, process_tree(process))
    stack.postgres.kill()
    assert stack.status()["deployed"] is False
    again = stack.up()
    assert len(rows(again, body["path"])) == 1
    more = page_view()
    with httpx.Client(base_url=again.api_url, headers=again.api_headers, timeout=30, trust_env=False) as client:
        accepted(client.post("/page-views", json=more))
    assert eventually(lambda: rows(again, more["path"]))


def test_state_is_private(stack: LocalDeployment, live: LocalState) -> None:
    """Only the owner can read the state file, which holds a password, and its repr hides the URL."""
    assert (stack.folder / "state.json").stat().st_mode & 0o077 == 0
    assert live.database_url not in repr(live)


def test_status(stack: LocalDeployment, live: LocalState) -> None:
    """The status of a running stack has its addresses."""
    status = stack.status()
    assert all(status[name] is True for name in ("postgres", "aws", "deployed"))
    assert status["queue_url"] == live.queue_url


def test_one_stack_for_all(request: pytest.FixtureRequest) -> None:
    """In a parallel run, all tests of the deployed service run in one process with one stack."""
    if getattr(request.config.option, "loadgroup", False):
        assert request.node.nodeid.endswith("@deployment")


def test_no_project(tmp_path: Path) -> None:
    """A folder without serverless.yml is an error, and nothing is created in it."""
    with pytest.raises(LocalError, match=r"has no serverless\.yml: run the command in the folder of a service"):
        LocalDeployment(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_nothing_recorded(tmp_path: Path) -> None:
    """A missing or invalid state file loads as None."""
    assert state.load(tmp_path) is None
    (tmp_path / ".penstock").mkdir()
    for text in ("", "{}", "[]", '{"service": 1}'):
        (tmp_path / ".penstock" / "state.json").write_text(text)
        assert state.load(tmp_path) is None


def sqs_queue(live: LocalState, url: str) -> SqsQueue:
    return SqsQueue(url, aws(live, "sqs"))


def body_lengths(live: LocalState, subject: str) -> list[int]:
    with psycopg.connect(live.database_url) as connection:
        query = "SELECT length(body) FROM outbox WHERE subject = %s"
        return [length for (length,) in connection.execute(query, [subject])]


def test_a_large_intent(live: LocalState, api: httpx.Client) -> None:
    """A request of 3 MB becomes a row through the bucket, with the roles of producer and drain."""
    body = {"to": "ada@example.com", "subject": str(uuid.uuid4()), "body": "x" * 3_000_000}
    accepted(api.post("/emails", json=body))
    assert eventually(lambda: body_lengths(live, body["subject"]))
    assert body_lengths(live, body["subject"]) == [3_000_000]


def test_a_large_intent_whose_payload_is_missing(live: LocalState) -> None:
    """A missing payload makes a dead letter, which is applied after the payload is stored and it is replayed."""
    subject, key = str(uuid.uuid4()), new_key()
    intent = EmailRequested(to="ada@example.com", subject=subject, body="x" * 3_000_000)
    envelope = encode_envelope(intent, id=intent.intent_id, source="/shop")
    stacks = aws(live, "cloudformation").describe_stacks(StackName="shop-local")["Stacks"]
    bucket = {output["OutputKey"]: output["OutputValue"] for output in stacks[0]["Outputs"]}["PayloadBucketName"]
    aws(live, "sqs").send_message(
        QueueUrl=live.queue_url, MessageBody=encode_reference(envelope, reference_to(bucket, key))
    )
    dead = sqs_queue(live, live.dead_letter_queue_url)
    found: list[Received] = []

    def is_dead() -> bool:
        found.extend(m for m in dead.receive(10) if json.loads(m.body).get("id") == str(intent.intent_id))
        return bool(found)

    assert eventually(is_dead)
    assert found[0].attributes[FAULT_ATTRIBUTE].value == "DataFault payload-missing"
    aws(live, "s3").put_object(Bucket=bucket, Key=key, Body=envelope.encode())
    assert sqs_queue(live, live.queue_url).send([Outgoing(found[0].body, unstamp(found[0].attributes))]) == {}
    assert dead.delete([found[0].receipt_handle]) == {}
    assert eventually(lambda: body_lengths(live, subject) == [3_000_000])
