"""The fixtures of the plugin, for a service with a Sensitive field: no KMS is needed."""

from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text

from penstock import Sensitive, WriteIntent, emit
from penstock.consumer import Drain, Upsert
from penstock.testing import Convergence, Emitted, MemoryKeys, QueueDrain

metadata = MetaData()
people = Table(
    "people",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("version", Integer, nullable=False),
    Column("email", Text),
)


class Known(WriteIntent, kind="known"):
    number: int
    version: int
    email: Sensitive[str] | None


drain = Drain()
drain.write(Known, Upsert(people, key="number", version="version"))


def test_an_emitted_intent_is_drained(
    engine: Engine, penstock_emitted: Emitted, penstock_drained: QueueDrain
) -> None:
    """The test sees the plaintext among the emitted intents and in the row, and ciphertext on the queue."""
    metadata.create_all(engine)
    intent = Known(number=1, version=1, email=Sensitive("a@example.org"))
    emit(intent)
    assert penstock_emitted.of(Known) == [intent]
    assert "example" not in penstock_emitted.queue.messages[0].body
    assert penstock_drained(drain).rows(people) == [{"number": 1, "version": 1, "email": "a@example.org"}]


def test_the_order_does_not_matter(engine: Engine, penstock_converges: Convergence) -> None:
    """Equal versions are settled by the plaintexts: in any order, with repetitions, the same rows are left."""
    metadata.create_all(engine)
    emails = [Sensitive("b"), None, Sensitive("a"), Sensitive("c")]
    penstock_converges(drain, [Known(number=1, version=1 + n // 3, email=email) for n, email in enumerate(emails)])


def test_the_keys_of_the_tests_read_each_other() -> None:
    """Any object of the fake unwraps what another has made: a test may have several."""
    key = MemoryKeys().generate()
    assert MemoryKeys().unwrap(key.wrapped) == key.plain
