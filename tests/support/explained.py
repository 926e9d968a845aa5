"""Explaining in tests: envelopes, fingerprints of a database, and the nodes of plans."""

from collections.abc import Iterable, Sequence

from sqlalchemy import Engine, text

from penstock import WriteIntent
from penstock.consumer import Drain
from penstock.explain.hints.find import find_hints
from penstock.explain.hints.hint import Hint
from penstock.explain.plan import Node
from penstock.explain.run import Explanation, explain, find_bound
from penstock.intents import encode_envelope

SECONDS = 60.0

_TABLES = text("SELECT oid::regclass::text FROM pg_class WHERE relkind = 'r' AND oid >= 16384 ORDER BY 1")


def bodies_of(intents: Iterable[WriteIntent]) -> list[str]:
    """Return the envelopes of intents."""
    return [encode_envelope(intent, id=intent.intent_id, source="/test") for intent in intents]


def explained(drain: Drain, engine: Engine, *intents: WriteIntent) -> Explanation:
    """Explain some intents of one kind."""
    return explain(drain, engine, intents[0].intent_kind, bodies_of(intents), seconds=SECONDS)


def hints_of(drain: Drain, engine: Engine, found: Explanation) -> list[Hint]:
    """Return the hints about what was explained."""
    bound = find_bound(drain.bound(), found.kind)
    assert bound is not None
    return find_hints(engine, bound, found, seconds=SECONDS)


def nodes_of(found: Explanation) -> list[Node]:
    """Return all nodes of all plans."""
    return [node for one in found.statements if one.plan for node in one.plan.root.walk()]


def fingerprint(engine: Engine) -> dict[str, str | None]:
    """Return the MD5 of the rows of each table."""
    with engine.connect() as connection:
        names: Sequence[str] = connection.scalars(_TABLES).all()
        query = "SELECT md5(string_agg(t::text, E'\\n' ORDER BY t::text)) FROM {} t"
        return {name: connection.scalar(text(query.format(name))) for name in names}
