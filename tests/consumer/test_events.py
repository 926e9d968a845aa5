"""Events about outcomes: which are written, and how they are sent."""

import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError
from sqlalchemy import Engine, event, text

from penstock.consumer import Custom, EventSender
from penstock.consumer.events import EventsRefused
from penstock.database import make_engine
from penstock.database.outbox import Backlog, read_backlog
from penstock.intents import encode_envelope
from penstock.settings import Settings, SettingsError
from penstock.testing import LambdaContext
from tests.support.drain import Bench, LaterKind, ThingMade
from tests.support.events import BUS, BusStub, waiting
from tests.support.statements import recorded

SETTINGS = Settings(event_bus=BUS, source="/shop")
MANY = (
    "INSERT INTO penstock.outbox (id, kind, outcome, stated_at, settled_at)"
    " SELECT pg_catalog.gen_random_uuid(), 'a', 'applied', now(), now() - make_interval(secs => n)"
    " FROM pg_catalog.generate_series(1, :n) AS n"
)


class Announced(Bench):
    """A drain whose outcomes have events, and what it executed."""

    def __init__(self, engine: Engine, **settings: Any) -> None:
        super().__init__(engine)
        given = Settings(**{"event_bus": BUS} | settings)
        self.drain = self.drain.using(given, engine=engine, queue=self.queue, dead_letters=self.dead_letters)
        self.statements = recorded(engine)

    @property
    def announced(self) -> Counter[str]:
        """The outcomes in the outbox."""
        return Counter(outcome for (_, outcome), count in waiting(self.engine).items() for _ in range(count))


def fill(engine: Engine, count: int) -> None:
    """Write that many events."""
    with engine.begin() as connection:
        connection.execute(text(MANY), {"n": count})


def send(engine: Engine, bus: BusStub, seconds: float = 60) -> int:
    """Run a sender once; return how many events it sent."""
    return EventSender(SETTINGS, engine=engine, client=bus).handler({}, LambdaContext(seconds))["sent"]


@pytest.fixture
def other_engine(database_url: str) -> Iterator[Engine]:
    """The engine of another sender."""
    engine = make_engine(database_url)
    yield engine
    engine.dispose()


def test_events_are_off_unless_a_bus_is_named(engine: Engine) -> None:
    """Without the setting no statement knows the outbox, on no path."""
    bench = Announced(engine, event_bus="")
    bench([ThingMade(name="a")])
    bench([ThingMade(name="b"), ThingMade(name="b")])
    assert bench.statements
    assert not [statement for statement in bench.statements if "outbox" in statement]
    assert bench.announced == {}


def test_the_fast_path_has_one_more_statement(engine: Engine) -> None:
    """A batch of any size has one statement for its events."""
    without, having = Announced(engine, event_bus=""), Announced(engine)
    for number, one in enumerate((without, having)):
        one([ThingMade(name=f"the first batch of {number} reads what is held")])
    without.statements.clear()
    without([ThingMade(name=f"a{number}") for number in range(600)])
    count = len(without.statements)
    having.statements.clear()
    having([ThingMade(name=f"b{number}") for number in range(600)])
    assert len(having.statements) == count + 1
    assert having.announced == {"applied": 601}


def test_each_outcome_has_an_event(engine: Engine) -> None:
    """Applied and dead intents have one each, with the reason; what is tried again or unreadable has none."""
    bench = Announced(engine)
    good, bad, early = ThingMade(name="a"), ThingMade(name="a"), LaterKind(x=1)
    assert len(bench([good, bad, early, "nonsense"])) == 1
    assert waiting(engine) == {(good.intent_id, "applied"): 1, (bad.intent_id, "dead"): 1}
    bus = BusStub()
    assert send(engine, bus) == 2
    told = {detail["outcome"]: detail for detail in bus.details}
    assert told["dead"].keys() - told["applied"].keys() == {"reason"}
    assert told["dead"]["reason"] == "UniqueViolation"
    assert told["dead"].items() >= {"id": str(bad.intent_id), "kind": "thing.made"}.items()
    entry = bus.calls[0][0]
    assert (entry["Source"], entry["EventBusName"]) == ("/shop", BUS)
    assert entry["DetailType"] == "Penstock Intent Outcome"
    assert waiting(engine) == {}


def test_what_comes_again_has_no_other_event(engine: Engine) -> None:
    """A redelivered intent is skipped without a second event, among new ones and beside a `Custom` function."""
    bench = Announced(engine)
    first, second = ThingMade(name="first"), ThingMade(name="second")
    assert bench([first]) == []
    bench.statements.clear()
    assert bench([first, second]) == []
    assert not [statement for statement in bench.statements if statement.startswith("ROLLBACK")]
    assert bench.announced == {"applied": 2}
    other = Announced(engine)
    other.drain.write(LaterKind, Custom(lambda *_: None))
    assert other([first, LaterKind(x=1), second, ThingMade(name="third")]) == []
    assert bench.announced == {"applied": 4}


def test_what_is_refused_costs_no_second_transaction(engine: Engine) -> None:
    """Beside refused intents each of the others has its event, in one transaction; nothing is told twice."""
    bench = Announced(engine)
    old, reused, dead = (ThingMade(name=name) for name in ("old", "reused", "bad from the start"))
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE things ADD CHECK (name NOT LIKE 'bad%')"))
    assert bench([old, reused, dead]) == []
    assert bench.announced == {"applied": 2, "dead": 1}
    bench.statements.clear()
    other = encode_envelope(ThingMade(name="bad other"), id=reused.intent_id, source="/test")
    new = [ThingMade(name=f"{'bad' if n in {120, 140} else 'good'} {n}") for n in range(150)]
    assert bench([old, *new, other]) == []
    assert "ROLLBACK" not in bench.statements
    assert bench.announced == {"applied": 150, "dead": 3}
    assert sum(letter.reason == "id-reused" for letter in bench.letters) == 1
    # The ledger refuses to skip what is dead: the isolating path claims it.
    assert bench([dead]) == []
    assert bench.announced == {"applied": 150, "dead": 4}


def test_a_replayed_intent_has_an_event_for_each_outcome(engine: Engine) -> None:
    """First dead, then applied; delivered once more, it has no other."""
    bench = Announced(engine)
    first, intent = ThingMade(name="a"), ThingMade(name="a")
    bench([first, intent])
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM things"))
    for _ in range(2):
        assert bench([intent]) == []
    told = [(first.intent_id, "applied"), (intent.intent_id, "dead"), (intent.intent_id, "applied")]
    assert waiting(engine) == dict.fromkeys(told, 1)


@pytest.mark.parametrize(
    ("settings", "announced"),
    [
        ({"event_outcomes": "dead"}, {"dead": 1}),
        ({"event_outcomes": " applied, stale "}, {"applied": 1}),
        ({"event_kinds": "thing.made"}, {"applied": 1, "dead": 1}),
        ({"event_kinds": "other.kind, another"}, {}),
    ],
)
def test_kinds_and_outcomes_can_be_chosen(
    engine: Engine, settings: dict[str, str], announced: dict[str, int]
) -> None:
    """Only the chosen ones have events."""
    bench = Announced(engine, **settings)
    bench([ThingMade(name="a")])
    bench([ThingMade(name="a")])
    assert bench.announced == announced


def test_an_outcome_that_does_not_exist_is_refused(engine: Engine) -> None:
    """The error names it before anything is written."""
    bench = Announced(engine, event_outcomes="applied,died")
    with pytest.raises(SettingsError, match="PENSTOCK_EVENT_OUTCOMES has 'died'"):
        bench([ThingMade(name="a")])
    assert bench.names == []


def test_without_the_outbox_nothing_is_written_or_dead(engine: Engine) -> None:
    """A database that lacks the migration gets nothing: no outcome is without its event."""
    bench = Announced(engine)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE penstock.outbox"))
    assert len(bench([ThingMade(name="a"), ThingMade(name="b")])) == 2
    assert (bench.names, bench.letters) == ([], [])


def test_a_drain_of_the_version_before_goes_on(engine: Engine) -> None:
    """One drain with events and one without, on the same tables: each event is of the former."""
    old, new = Announced(engine, event_bus=""), Announced(engine)
    old([ThingMade(name="a")])
    new([ThingMade(name="b")])
    assert (new.names, new.announced) == (["a", "b"], {"applied": 1})


def test_a_backlog_of_several_sets_is_sent_in_one_run(engine: Engine) -> None:
    """In calls of ten entries at most; nothing is left, nothing is sent twice."""
    fill(engine, 1203)
    bus = BusStub()
    assert send(engine, bus) == 1203
    assert set(bus.events.values()) == {1}
    assert waiting(engine) == {}


def test_what_is_refused_stays_and_holds_nothing_up(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """The others are sent in the same run, the error has the codes alone, and the next run sends the rest."""
    fill(engine, 600)
    first = sorted(f"{id_}:{outcome}" for id_, outcome in waiting(engine))[:3]
    bus = BusStub(answer=lambda detail: "ThrottlingException" if detail["event"] in first else None)
    with pytest.raises(EventsRefused, match=r"3 events \(ThrottlingException 3\)"):
        send(engine, bus)
    assert len(waiting(engine)) == 3
    bus.answer = lambda _: None
    assert send(engine, bus) == 3
    assert set(bus.events.values()) == {1}
    assert "hunter2" not in caplog.text


@pytest.mark.parametrize(
    "error",
    [
        ClientError({"Error": {"Code": "InternalException", "Message": "hunter2"}}, "PutEvents"),
        EndpointConnectionError(endpoint_url="https://hunter2"),
    ],
    ids=["refused", "unreachable"],
)
def test_an_unwell_event_bridge_ends_the_run(engine: Engine, error: Exception) -> None:
    """After a set without any success no other is tried, and everything stays."""
    fill(engine, 600)
    bus = BusStub(error=error)
    with pytest.raises(EventsRefused) as raised:
        send(engine, bus)
    assert "hunter2" not in str(raised.value)
    assert len(bus.calls) == 50
    assert len(waiting(engine)) == 600


def test_a_bus_that_does_not_exist_gets_nothing(engine: Engine) -> None:
    """EventBridge would accept the events and drop them: the sender asks first, and keeps them."""
    fill(engine, 1)
    bus = BusStub(name="another")
    with pytest.raises(ClientError, match="ResourceNotFound"):
        send(engine, bus)
    assert (bus.calls, len(waiting(engine))) == ([], 1)


def test_a_sender_that_is_killed_sends_again(engine: Engine) -> None:
    """If the transaction does not commit after EventBridge accepted, the events are sent a second time."""
    fill(engine, 20)

    def interrupt(_connection: object) -> None:
        raise KeyboardInterrupt

    bus = BusStub()
    event.listen(engine, "commit", interrupt)
    with pytest.raises(KeyboardInterrupt):
        send(engine, bus)
    event.remove(engine, "commit", interrupt)
    assert len(waiting(engine)) == 20
    assert send(engine, bus) == 20
    assert set(bus.events.values()) == {2}


def test_several_senders_send_each_event_once(engine: Engine, other_engine: Engine) -> None:
    """What one has locked the other passes over; between them they send everything."""
    fill(engine, 1400)
    meet = threading.Barrier(2, timeout=20)
    buses = [BusStub(before=once(meet.wait)), BusStub(before=once(meet.wait))]
    engines = [engine, other_engine]
    sent: list[int] = []
    threads = [threading.Thread(target=lambda of=of: sent.append(send(engines[of], buses[of]))) for of in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # Both held events at the same time, since each waited for the other within a call.
    assert len(sent) == 2
    assert sum(sent) == 1400
    assert set((buses[0].events + buses[1].events).values()) == {1}
    assert waiting(engine) == {}


def once(do: Callable[[], object]) -> Callable[[], None]:
    """Return a function that does something at its first call only."""
    left, lock = [do], threading.Lock()

    def call() -> None:
        with lock:
            first = left.pop() if left else None
        if first:
            first()

    return call


def test_a_run_ends_in_time(engine: Engine) -> None:
    """Without time for another call it sends nothing more, and what waits is no error."""
    fill(engine, 3)
    assert send(engine, BusStub(), seconds=12) == 0
    assert len(waiting(engine)) == 3


def test_the_backlog_is_counted_up_to_a_limit(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """A monitor learns how many wait, within a bound, and for how long; without an outbox, nothing."""
    with engine.connect() as connection:
        assert read_backlog(connection) == Backlog(0, None)
        connection.execute(text(MANY), {"n": 120})
        backlog = read_backlog(connection)
        assert backlog
        assert (backlog.count, 119 < (backlog.oldest_seconds or 0) < 180) == (120, True)
        monkeypatch.setattr("penstock.database.outbox.MOST_COUNTED", 100)
        assert (bounded := read_backlog(connection))
        assert bounded.count == 100
        connection.execute(text("DROP TABLE penstock.outbox"))
        assert read_backlog(connection) is None


def test_a_run_is_logged(engine: Engine, caplog: pytest.LogCaptureFixture) -> None:
    """One line with the counts."""
    caplog.set_level(logging.INFO, "penstock.consumer.events")
    fill(engine, 2)
    send(engine, BusStub())
    (line,) = [record for record in caplog.records if record.name == "penstock.consumer.events"]
    assert vars(line).items() >= {"action": "events_sent", "events": 2, "refused": 0}.items()


def test_a_source_is_needed(engine: Engine) -> None:
    """Without one the error names the setting."""
    with pytest.raises(SettingsError, match="PENSTOCK_SOURCE"):
        EventSender(Settings(event_bus=BUS), engine=engine, client=BusStub()).handler({}, LambdaContext())
