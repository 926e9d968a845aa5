"""The drain in process, against a real Postgres."""

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, insert, select, text

from penstock.consumer import Append, Drain
from penstock.consumer.dead_letter import FAULT_ATTRIBUTE
from penstock.consumer.pipeline.ledger_outcomes import MAX_ATTEMPTS
from penstock.consumer.retention import PATIENCE_SECONDS
from penstock.intents import encode_envelope, new_id
from penstock.queue import ATTRIBUTE_LIMIT, Attribute, Outgoing
from penstock.testing import LambdaContext, received, sqs_event
from tests.support.drain import Bench, LaterKind, ThingMade, parents, things


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


def test_intents_are_written_as_rows_under_their_ids(bench: Bench) -> None:
    """Each intent of a batch becomes a row with its values, and is applied in the ledger."""
    intents = [ThingMade(name=f"thing {n}", size=n) for n in range(20)]
    assert bench(intents) == []
    with bench.engine.connect() as connection:
        rows = {row.intent_id: (row.name, row.size, row.parent) for row in connection.execute(select(things))}
    assert rows == {intent.intent_id: (intent.name, intent.size, None) for intent in intents}
    assert bench.outcomes == {intent.intent_id: "applied" for intent in intents}


def test_a_repeated_intent_takes_effect_once(bench: Bench) -> None:
    """An intent that is delivered twice, in one batch or in two, is acknowledged and written once."""
    intent = ThingMade(name="once")
    assert bench([intent, intent]) == []
    assert bench([intent]) == []
    assert bench.names == ["once"]
    assert bench.dead_letters.messages == []


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("no json", "not-json"),
        ("[]", "not-an-envelope"),
        ('{"some": "json"}', "not-an-envelope"),
        ("[" * 100_000, "not-json"),
    ],
)
def test_a_text_that_is_no_envelope_is_dead_lettered_alone(bench: Bench, body: str, reason: str) -> None:
    """A text that is no envelope is dead-lettered unchanged, and its neighbours are written in that invocation."""
    assert bench([ThingMade(name="before"), body, ThingMade(name="after")]) == []
    assert bench.names == ["after", "before"]
    (letter,) = bench.letters
    assert (letter.fault, letter.reason) == ("DataFault", reason)
    assert [message.body for message in bench.dead_letters.messages] == [body]


def _broken(**fields: Any) -> str:
    envelope = json.loads(encode_envelope(ThingMade(name="bad"), id=new_id(), source="/test"))
    envelope["data"] |= fields
    return json.dumps(envelope)


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"size": "7"}, "data.size int_type"),
        ({"unknown": 1}, "data.unknown extra_forbidden"),
        ({"name": None}, "data.name string_type"),
        ({"name": "a\x00b"}, "data.name nul_character"),
        ({"size": float("nan")}, "data.size int_type"),
    ],
)
def test_invalid_data_is_named_by_field_and_never_by_value(bench: Bench, fields: Any, detail: str) -> None:
    """Invalid data is dead-lettered with the name of the wrong field, and is dead in the ledger."""
    body = _broken(**fields)
    assert bench([body, ThingMade(name="good")]) == []
    assert bench.names == ["good"]
    (letter,) = bench.letters
    assert letter.detail == f"invalid-data: {detail}"
    assert bench.outcomes[UUID(json.loads(body)["id"])] == "dead"


def test_a_violated_constraint_spares_its_neighbours(bench: Bench) -> None:
    """The few rows among many that Postgres refuses are found, dead-lettered and entered as dead."""
    taken = ThingMade(name="taken")
    bench([taken])
    good = [ThingMade(name=f"good {n}") for n in range(200)]
    bad = [ThingMade(name="taken", size=n) for n in range(3)]
    huge = ThingMade(name="huge", size=2**40)
    assert bench([*good[:100], bad[0], huge, *good[100:], *bad[1:]]) == []
    assert bench.names == sorted(["taken", *(intent.name for intent in good)])
    assert {letter.id for letter in bench.letters} == {str(i.intent_id) for i in [*bad, huge]}
    by_id = {letter.id: letter for letter in bench.letters}
    assert by_id[str(bad[0].intent_id)].sqlstate == "23505"
    assert by_id[str(bad[0].intent_id)].constraint == "things_name_key"
    assert by_id[str(huge.intent_id)].sqlstate == "22003"
    dead = {id_ for id_, outcome in bench.outcomes.items() if outcome == "dead"}
    assert dead == {intent.intent_id for intent in [*bad, huge]}


def test_a_dead_letter_is_the_original_message_with_its_fault(bench: Bench) -> None:
    """The sender's body and attributes are kept, and the fault is added as text and as JSON."""
    message = received(_broken(size="x"))
    attributes = {"type": Attribute("thing.made"), "raw": Attribute(b"\x00\x01", "Binary")}
    message = type(message)(**{**{n: getattr(message, n) for n in message.__slots__}, "attributes": attributes})
    assert bench([message]) == []
    (kept,) = bench.dead_letters.messages
    assert kept.body == message.body
    assert kept.attributes.items() >= attributes.items()
    assert kept.attributes[FAULT_ATTRIBUTE].value == "DataFault invalid-data: data.size int_type"


def test_a_dead_letter_is_logged_with_its_trace(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The log line has the trace of the request that emitted the intent; an invalid traceparent is not logged."""
    trace = f"00-{'a' * 32}-{'b' * 16}-01"
    bench([ThingMade(name="taken")])
    for given in (trace, "4111 1111 1111 1111"):
        body = json.loads(encode_envelope(ThingMade(name="taken"), id=new_id(), source="/test"))
        bench([json.dumps(body | {"traceparent": given})])
    logged = [record for record in caplog.records if getattr(record, "action", "") == "dead_letter"]
    assert [getattr(record, "traceparent", "") for record in logged] == [trace, None]


def test_ten_attributes_of_the_sender_are_all_kept(bench: Bench) -> None:
    """A message without room for the fault is dead-lettered too, and loses nothing."""
    message = received("nonsense")
    attributes = {f"a{n}": Attribute(str(n)) for n in range(ATTRIBUTE_LIMIT)}
    message = type(message)(**{**{n: getattr(message, n) for n in message.__slots__}, "attributes": attributes})
    assert bench([message]) == []
    assert bench.dead_letters.messages[0].attributes == attributes


def test_an_unreachable_dead_letter_queue_loses_nothing(bench: Bench) -> None:
    """A message that cannot be dead-lettered goes back to the queue, and its neighbours stay committed."""
    event = sqs_event([ThingMade(name="good"), "nonsense"])
    bench.dead_letters.refuse("ServiceUnavailable", calls=None)
    assert bench.failed(event) == [event["Records"][1]["messageId"]]
    assert bench.names == ["good"]


def test_an_unknown_kind_waits_a_few_times_for_its_deployment(bench: Bench) -> None:
    """An intent of an unknown kind is handed back, and is written once the consumer knows the kind."""
    intent = LaterKind(x=1)
    event = sqs_event([intent, ThingMade(name="good")], receive_count=99)
    assert bench.failed(event) == [event["Records"][0]["messageId"]]
    assert bench.dead_letters.messages == []
    assert bench.outcomes[intent.intent_id] == "pending"
    bench.drain = Drain(engine=bench.engine, queue=bench.queue, dead_letters=bench.dead_letters)
    bench.drain.write(LaterKind, Append(Table("later", MetaData(), Column("x", Integer))))
    with bench.engine.begin() as connection:
        connection.execute(text("CREATE TABLE later (x integer)"))
    assert bench([intent]) == []
    assert bench.outcomes[intent.intent_id] == "applied"


def test_an_unknown_kind_that_is_there_twice_waits_twice(bench: Bench) -> None:
    """A message of an unknown kind that is in the batch twice is handed back twice, and not dead-lettered."""
    intent = LaterKind(x=1)
    assert len(bench([intent, intent])) == 2
    assert bench.dead_letters.messages == []


def test_an_unknown_kind_is_dead_lettered_in_the_end(bench: Bench) -> None:
    """After the last attempt an unknown kind is dead-lettered with that reason."""
    intent = LaterKind(x=1)
    bench.queue.clock.advance(PATIENCE_SECONDS)
    assert [len(bench([intent])) for _ in range(MAX_ATTEMPTS)] == [1] * (MAX_ATTEMPTS - 1) + [0]
    assert [letter.reason for letter in bench.letters] == ["unknown-kind"]
    assert bench.outcomes == {intent.intent_id: "dead"}


def test_a_child_waits_for_its_parent(bench: Bench) -> None:
    """A row whose parent is missing is handed back, and is written after its parent."""
    child = ThingMade(name="child", parent="parent")
    event = sqs_event([child])
    assert bench.failed(event) == [event["Records"][0]["messageId"]]
    with bench.engine.begin() as connection:
        connection.execute(insert(parents), {"name": "parent"})
    assert bench([child]) == []
    assert bench.names == ["child"]


def test_a_replayed_dead_letter_that_is_written_becomes_applied(bench: Bench) -> None:
    """A dead intent is applied once its fault is repaired."""
    intent = ThingMade(name="taken")
    bench([ThingMade(name="taken")])
    bench([intent])
    assert bench.outcomes[intent.intent_id] == "dead"
    with bench.engine.begin() as connection:
        connection.execute(things.delete())
    assert bench([intent]) == []
    assert bench.outcomes[intent.intent_id] == "applied"
    assert bench.names == ["taken"]


def test_a_dead_intent_does_not_change_an_applied_one_of_the_same_id(bench: Bench) -> None:
    """A bad message with the id of an applied intent does not change that intent's outcome."""
    intent = ThingMade(name="good")
    bench([intent])
    same_id = json.loads(_broken(size="x")) | {"id": str(intent.intent_id)}
    assert bench([json.dumps(same_id)]) == []
    assert bench.outcomes == {intent.intent_id: "applied"}
    assert len(bench.letters) == 1


def test_a_deferred_constraint_is_isolated_too(bench: Bench) -> None:
    """A row that only COMMIT would refuse is found before it, and its neighbours are written."""
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE things ADD UNIQUE (size) DEFERRABLE INITIALLY DEFERRED"))
    bench([ThingMade(name="first", size=1)])
    assert bench([ThingMade(name="second", size=1), ThingMade(name="third", size=3)]) == []
    assert bench.names == ["first", "third"]
    assert [letter.sqlstate for letter in bench.letters] == ["23505"]


def test_a_missing_table_is_no_fault_of_the_data(bench: Bench) -> None:
    """If code and schema disagree, all of the kind goes back, and only the text that is no envelope is dead."""
    with bench.engine.begin() as connection:
        connection.execute(text("ALTER TABLE things RENAME TO elsewhere"))
    assert len(bench([ThingMade(name="a"), "nonsense", ThingMade(name="b")])) == 2
    assert [letter.reason for letter in bench.letters] == ["not-json"]
    assert {*bench.outcomes.values()} == {"pending"}


def test_a_missing_permission_is_no_fault_of_the_data(bench: Bench) -> None:
    """If the role has no permission to write, everything goes back."""
    role = f"reader_{uuid4().hex}"
    with bench.engine.begin() as connection:
        connection.execute(text(f"CREATE ROLE {role}; GRANT USAGE ON SCHEMA penstock TO {role}"))
        connection.execute(text(f"GRANT ALL ON penstock.ledger TO {role}"))
        database = connection.scalar(text("SELECT current_database()"))
        connection.execute(text(f'ALTER DATABASE "{database}" SET ROLE TO {role}'))
    bench.engine.dispose()
    try:
        assert len(bench([ThingMade(name="a")])) == 1
        assert bench.dead_letters.messages == []
    finally:
        with bench.engine.begin() as connection:
            connection.execute(text(f"SET ROLE NONE; DROP OWNED BY {role}; DROP ROLE {role}"))


def test_the_log_line_of_a_dead_letter_has_its_cause(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The log line has the id and the kind of the intent, and the fingerprint that equal causes share."""
    bad = ThingMade(name="bad", size=2**40)
    assert bench([bad]) == []
    (letter,) = bench.letters
    (line,) = [record for record in caplog.records if getattr(record, "action", None) == "dead_letter"]
    known = {"intent_id": str(bad.intent_id), "kind": "thing.made", "fingerprint": letter.fingerprint}
    assert letter.fingerprint
    assert known.items() <= vars(line).items()


def test_no_value_reaches_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever goes wrong with an intent, no value of it is in a log line or in a dead letter."""
    secret = "hunter2"
    caplog.set_level("DEBUG")
    bench([ThingMade(name=secret)])
    bad = [ThingMade(name=secret), ThingMade(name="x", parent=secret), ThingMade(name=secret, size=2**40)]
    bench.queue.clock.advance(PATIENCE_SECONDS)
    for _ in range(MAX_ATTEMPTS):
        bench([bad[1]])
    bench([bad[0], bad[2], _broken(size=secret), secret])
    with bench.engine.begin() as connection:
        connection.execute(text("DROP TABLE things"))
    bench([ThingMade(name=secret)])
    assert len(bench.letters) == 5
    assert not [r for r in caplog.records if secret in r.getMessage() + str(vars(r))]
    assert secret not in "".join(str(letter) for letter in bench.letters)


def test_an_event_that_is_not_of_sqs_is_refused(bench: Bench) -> None:
    """An event that is not an SQS event raises before anything is done."""
    events: list[dict[str, Any]] = [{}, {"Records": [{"Sns": {}}]}]
    for event in events:
        with pytest.raises(ValueError, match="not an SQS event"):
            bench.drain.handler(event, LambdaContext())


def test_an_empty_event_is_fine(bench: Bench) -> None:
    """No records, no failures."""
    assert bench([]) == []


def test_a_handed_back_message_comes_later(bench: Bench) -> None:
    """A message that is handed back gets a visibility timeout, so that it is not delivered again at once."""
    late = LaterKind(x=1)
    bench.queue.send([Outgoing(encode_envelope(late, id=late.intent_id, source="/test"))])
    assert len(bench(bench.queue.receive(10, visibility_seconds=300))) == 1
    assert bench.queue.receive(10) == []
    bench.queue.clock.advance(16)
    assert len(bench.queue.receive(10)) == 1
