"""A kind with a Sensitive field is explained without any key."""

from sqlalchemy import Column, Engine, MetaData, Table, Text, Uuid

from penstock import Sensitive, WriteIntent
from penstock.consumer import Append, Drain
from penstock.explain.run import explain, explain_unexecuted
from penstock.explain.samples.make import make_samples
from penstock.settings import Settings
from penstock.testing import MemoryKeys

metadata = MetaData()
people = Table("people", metadata, Column("intent_id", Uuid, primary_key=True), Column("email", Text))


class Met(WriteIntent, kind="met"):
    email: Sensitive[str]


def test_samples_are_explained_without_a_key(engine: Engine) -> None:
    """The samples are plaintexts that were made up; neither a data key nor the key of the digests is needed."""
    metadata.create_all(engine)
    keys = MemoryKeys()
    drain = Drain(Settings(), keys=keys)
    drain.write(Met, Append(people))
    bodies = make_samples(Met, drain.bound()[0], engine, 3, seconds=10)
    for run in (explain, explain_unexecuted):
        found = run(drain, engine, "met", bodies, seconds=10)
        assert not found.faults
    assert keys.calls == 0
