"""Sensitive fields: encrypted on the queue and among the dead letters, plaintext in the table."""

import json
import logging
from collections.abc import Iterable
from typing import Annotated, Any

import pytest
from pydantic import Field
from sqlalchemy import Column, Engine, MetaData, String, Table, Text, Uuid, select

from penstock import Sensitive, WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.dry_run import DryRunOutcome, dry_run
from penstock.database import ledger
from penstock.encryption.keys import KeyProblem
from penstock.producer import Producer
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryKeys, MemoryPayloads, MemoryQueue, sqs_event
from tests.support.lambdas import LambdaStub

SECRET = 'zoë@example.org\\"\n😀'

metadata = MetaData()
customers = Table(
    "customers",
    metadata,
    Column("intent_id", Uuid, primary_key=True),
    Column("name", Text, nullable=False),
    Column("email", String(60), nullable=False),
    Column("phone", Text),
)
visits = Table("visits", metadata, Column("intent_id", Uuid, primary_key=True), Column("page", Text))


class CustomerMade(WriteIntent, kind="customer.made", aliases=("client.made",)):
    name: str
    email: Sensitive[Annotated[str, Field(min_length=3)]]
    phone: Sensitive[str] | None = None


class Visited(WriteIntent, kind="visited"):
    page: str


class Custody(WriteIntent, kind="custody"):
    pin: Sensitive[str]


class Bench:
    """A producer and a drain with a key service and queues in memory."""

    def __init__(self, engine: Engine, *, digest_key: str = "digest", mapping: str = "") -> None:
        metadata.create_all(engine)
        self.engine, self.keys = engine, MemoryKeys()
        self.queue, self.dead_letters, self.payloads = MemoryQueue(), MemoryQueue(), MemoryPayloads()
        settings = Settings(
            receipt_key="key",
            source="/test",
            digest_key=digest_key,
            payload_bucket="payloads",
            event_source_mapping=mapping,
        )
        self.producer = Producer(settings, self.queue, self.payloads, self.keys)
        self.taken: list[Custody] = []
        self.drain = Drain(
            settings,
            engine=engine,
            queue=self.queue,
            dead_letters=self.dead_letters,
            payloads=self.payloads,
            keys=self.keys,
        )
        self.drain.write(CustomerMade, Append(customers))
        self.drain.write(Visited, Append(visits))
        self.drain.write(Custody, Custom(lambda _, intents: self.taken.extend(intents)))

    def bodies(self, *intents: WriteIntent, **options: Any) -> list[str]:
        """Emit intents, and return their messages."""
        known = len(self.queue.messages)
        for intent in intents:
            self.producer.emit(intent, **options)
        return [message.body for message in self.queue.messages[known:]]

    def __call__(self, bodies: Iterable[str]) -> int:
        """Drain one event; return how many messages were handed back."""
        answer = self.drain.handler(sqs_event(bodies), LambdaContext())
        return len(answer["batchItemFailures"])

    @property
    def rows(self) -> list[tuple[str, str, str | None]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(select(*customers.c[1:]).order_by("name"))]

    @property
    def reasons(self) -> list[str]:
        letters = [DeadLetter.read(message.attributes) for message in self.dead_letters.messages]
        return [letter.reason for letter in letters if letter]

    @property
    def digests(self) -> list[int]:
        with self.engine.connect() as connection:
            return [*connection.scalars(select(ledger.c.digest))]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def test_a_value_is_encrypted_on_the_queue_and_plain_in_the_table(bench: Bench) -> None:
    """The message has no plaintext, the row has it, and None stays None."""
    first = CustomerMade(name="a", email=Sensitive(SECRET), phone=Sensitive("5551234"))
    bodies = bench.bodies(first, CustomerMade(name="b", email=Sensitive("bob@example.org")))
    assert not any(word in body for body in bodies for word in ("example", "5551234"))
    assert json.loads(bodies[0])["data"]["email"].keys() == {"penstock-encrypted"}
    assert bench(bodies) == 0
    assert bench.rows == [("a", SECRET, "5551234"), ("b", "bob@example.org", None)]


def test_the_key_service_is_called_once_for_a_data_key(bench: Bench) -> None:
    """Many intents share a data key: one call to make it, and one to unwrap it; other kinds cost none."""
    bodies = bench.bodies(*(CustomerMade(name=f"{n}", email=Sensitive("a@b")) for n in range(30)))
    assert (bench(bodies[:15]), bench(bodies[15:])) == (0, 0)
    assert bench.keys.calls == 2
    bench(bench.bodies(Visited(page="/")))
    assert bench.keys.calls == 2


def test_encrypted_values_in_a_pack(bench: Bench) -> None:
    """A pack has no plaintext; it waits as a whole for its key, and its dead letters are encrypted like others."""
    settings = Settings(receipt_key="key", source="/test", pack_limit=65_536)
    names = ["a", "b", "b" * 70]
    Producer(settings, bench.queue, keys=bench.keys).emit_many(
        CustomerMade(name=name, email=Sensitive(f"{name}@example.org")) for name in names
    )
    bodies = [message.body for message in bench.queue.messages]
    assert len(bodies) == 1
    assert "example" not in bodies[0]
    bench.keys.refuse(KeyProblem.UNAVAILABLE, "TheCode")
    assert (bench(bodies), bench.rows, bench.reasons) == (1, [], [])
    bench.keys.allow()
    assert bench(bodies) == 0
    assert bench.rows == [(name, f"{name}@example.org", None) for name in names[:2]]
    assert bench.reasons == ["StringDataRightTruncation"]
    assert "example" not in bench.dead_letters.messages[0].body
    assert json.loads(bench.dead_letters.messages[0].body)["data"]["name"] == names[2]
    assert len(bench.queue.messages) == 1


@pytest.mark.parametrize("move", ["id", "field", "kind", "altered", "garbage"])
def test_a_moved_or_altered_value_is_a_dead_letter(bench: Bench, move: str) -> None:
    """A token is good for its kind, field and intent only; elsewhere it is a data fault of its own record."""
    body, other, neighbour = bench.bodies(
        CustomerMade(name="a", email=Sensitive("one@example.org")),
        CustomerMade(name="b", email=Sensitive("two@example.org"), phone=Sensitive("5551234")),
        CustomerMade(name="c", email=Sensitive("three@example.org")),
    )
    event, data = json.loads(body), json.loads(other)["data"]
    match move:
        case "id":
            event["data"]["email"] = data["email"]
        case "field":
            event = json.loads(other)
            event["data"] = data | {"email": data["phone"], "phone": data["email"]}
        case "kind":
            event |= {"type": "custody", "data": {"pin": event["data"]["email"]}}
        case "altered":
            token = event["data"]["email"]["penstock-encrypted"]
            event["data"]["email"]["penstock-encrypted"] = (
                token[:-2] + ("A" if token[-2] != "A" else "B") + token[-1]
            )
        case _:
            event["data"]["email"]["penstock-encrypted"] = "1.x.y"
    assert bench([json.dumps(event), neighbour]) == 0
    assert (bench.reasons, [row[0] for row in bench.rows]) == (["sealed-altered"], ["c"])
    assert bench.taken == []
    assert "example" not in bench.dead_letters.messages[0].body


def test_a_renamed_kind_and_an_outside_sender_are_read(bench: Bench) -> None:
    """The binding has the oldest name of a kind. A plaintext, which only another sender writes, is accepted."""
    body, plain = bench.bodies(CustomerMade(name="a", email=Sensitive("a@b")), Visited(page="x"))
    event = json.loads(plain) | {"type": "customer.made", "data": {"name": "b", "email": "b@c"}}
    assert bench([json.dumps(json.loads(body) | {"type": "client.made"}), json.dumps(event)]) == 0
    assert bench.rows == [("a", "a@b", None), ("b", "b@c", None)]


@pytest.mark.parametrize(
    ("problem", "handed_back", "reason"),
    [
        (KeyProblem.UNAVAILABLE, 1, []),
        (KeyProblem.DENIED, 1, []),
        (KeyProblem.LOST, 0, ["data-key-lost"]),
        (KeyProblem.ALTERED, 0, ["sealed-altered"]),
    ],
)
def test_a_key_that_cannot_be_had(
    bench: Bench, caplog: pytest.LogCaptureFixture, problem: KeyProblem, handed_back: int, reason: list[str]
) -> None:
    """A throttled or forbidden key hands the intent back, a lost one is a data fault; others are written."""
    body, *others = bench.bodies(CustomerMade(name="a", email=Sensitive("a@b")), Visited(page="/"))
    bench.keys.refuse(problem, "TheCode")
    with caplog.at_level(logging.INFO):
        assert bench([body, *others]) == handed_back
    assert (bench.reasons, bench.rows, len(bench.digests) - len(reason)) == (reason, [], 1)
    assert "TheCode" in caplog.text or reason
    bench.keys.allow()
    assert bench([body]) == 0
    assert bench.rows == [("a", "a@b", None)]


def test_an_unwell_key_service_trips_no_breaker(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that goes back because of KMS, without time to check the database, does not trip the breaker."""
    stub = LambdaStub()
    monkeypatch.setattr("penstock.consumer.breaker.breaker.lambda_client", lambda: stub)
    bench = Bench(engine, mapping="mapping")
    bodies = bench.bodies(CustomerMade(name="a", email=Sensitive("a@b")))
    bench.keys.refuse(KeyProblem.UNAVAILABLE)
    assert len(bench.drain.handler(sqs_event(bodies), LambdaContext(8))["batchItemFailures"]) == 1
    assert stub.calls == []


def test_another_secret_under_the_same_id_is_noticed(bench: Bench) -> None:
    """A repetition has another ciphertext and is a duplicate; another plaintext is `id-reused`, in any batch."""
    first, again, other = (
        bench.bodies(CustomerMade(name="a", email=Sensitive(email)), idempotency_key="k")[0]
        for email in ("a@b", "a@b", "c@d")
    )
    assert first != again
    assert bench([first]) == bench([again, first]) == 0
    assert bench.reasons == []
    assert bench([other]) == 0
    assert bench([again, other]) == 0
    assert (bench.reasons, bench.rows) == (["id-reused"] * 2, [("a", "a@b", None)])


def test_another_secret_under_the_same_id_is_noticed_by_a_custom_write(bench: Bench) -> None:
    """A function of the service gets the plaintext; its digest in the ledger is keyed as well."""
    first, again, other = (
        bench.bodies(Custody(pin=Sensitive(pin)), idempotency_key="k")[0] for pin in ("1234", "1234", "9999")
    )
    assert bench([first]) == bench([again]) == bench([other]) == 0
    assert [one.pin.reveal() for one in bench.taken] == ["1234"]
    assert bench.reasons == ["id-reused"]


def test_the_ledgers_digest_needs_its_key(engine: Engine) -> None:
    """Equal intents have unequal digests with another key and under another id: neither helps to guess."""
    digests = set()
    for key, id_key in (("one", "x"), ("two", "y"), ("one", "z")):
        bench = Bench(engine, digest_key=key)
        bench(bench.bodies(CustomerMade(name="a", email=Sensitive("1234")), idempotency_key=id_key))
        digests.update(bench.digests)
    assert len(digests) == 3


def test_without_a_digest_key_the_intent_waits(engine: Engine) -> None:
    """The deployment is at fault: the intent is handed back, and nothing is compared by a guessable digest."""
    bench = Bench(engine, digest_key="")
    assert bench(bench.bodies(CustomerMade(name="a", email=Sensitive("a@b")), Visited(page="/"))) == 1
    assert bench.rows == []


def test_no_log_line_shows_a_value(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A value that Postgres or a validator refuses is in no log line, no dead letter and no outcome."""
    long, short = (CustomerMade(name="a", email=Sensitive(text)) for text in ("secret-" * 20, "sec"))
    bodies = bench.bodies(long, short)
    event = json.loads(bench.bodies(Visited(page="/"))[0])
    bodies.append(json.dumps(event | {"type": "customer.made", "data": {"name": "x", "email": "se"}}))
    with caplog.at_level(logging.DEBUG, logger="penstock"):
        bench(bodies)
    assert sorted(bench.reasons) == ["StringDataRightTruncation", "invalid-data"]
    shown = caplog.text + str([message.attributes for message in bench.dead_letters.messages])
    assert "secret" not in shown
    assert "secret" not in bench.dead_letters.messages[0].body


def test_a_large_intent_is_encrypted_in_the_bucket(bench: Bench) -> None:
    """The object in the bucket has no plaintext, and the drain reads it."""
    bodies = bench.bodies(CustomerMade(name="n" * 1_100_000, email=Sensitive("a@example.org")))
    (stored,) = bench.payloads.objects.values()
    assert b"example" not in stored
    assert bench(bodies) == 0
    assert [row[1] for row in bench.rows] == ["a@example.org"]


@pytest.mark.parametrize(
    ("problem", "outcome"),
    [
        (None, DryRunOutcome.APPLIED),
        (KeyProblem.DENIED, DryRunOutcome.WAITS),
        (KeyProblem.UNAVAILABLE, DryRunOutcome.UNKNOWN),
        (KeyProblem.LOST, DryRunOutcome.DEAD),
    ],
)
def test_a_dry_run_decrypts_in_memory(bench: Bench, problem: KeyProblem | None, outcome: DryRunOutcome) -> None:
    """It says what the drain would do, or what it could not see, and writes nothing."""
    bodies = bench.bodies(CustomerMade(name="a", email=Sensitive("a@b")))
    if problem:
        bench.keys.refuse(problem, "TheCode")
    (result,) = dry_run(bench.drain, bench.engine, bodies, seconds=10)
    assert result.outcome == outcome
    assert (result.fault is None) == (problem is None)
    assert bench.rows == []
