"""Explain a kind: what the drain would send to Postgres for some envelopes, and how Postgres executes it."""

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from sqlalchemy import Connection, Engine

from penstock.consumer.batch import Batch, Item
from penstock.consumer.drain import Drain
from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import DeploymentFault, EnvironmentFault
from penstock.consumer.modes.base import Bound, Writes
from penstock.consumer.pipeline.session import set_limits
from penstock.consumer.pipeline.transaction import WriteStrategy
from penstock.consumer.rehearsal import batch_of, check_deferred, decoder_of, rehearse
from penstock.database.watchdog import Watchdog
from penstock.explain.capture import Capture, Statement
from penstock.explain.hints.hint import Hint
from penstock.settings import Settings


@dataclass(slots=True, kw_only=True)
class Explanation:
    """How Postgres writes intents of a kind.

    Attributes:
        kind: the kind.
        intents: how many there were.
        analyzed: whether the statements were executed, in a transaction that was rolled back.
        statements: the statements, in the order of their first execution.
        left_out: how many executions were left out, because a function sent too many different statements.
        unseen_function: whether the kind has a function of the service's, and none of its statements was seen:
            because it was not called, or does not send them through its SQLAlchemy connection.
        deferred_ms: how long deferred constraints and triggers took, which COMMIT runs, in milliseconds.
        faults: how many intents would not be written, by fault.
        duplicates: how many intents had taken effect before.
        deployment_fault: whether code, schema and permissions disagree.
        environment_fault: whether the database was unwell, or there was not enough time.
        hints: what is worth changing.
    """

    kind: str
    intents: int
    analyzed: bool
    statements: Sequence[Statement]
    left_out: int = 0
    unseen_function: bool = False
    deferred_ms: float = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    duplicates: int = 0
    deployment_fault: bool = False
    environment_fault: bool = False
    hints: Sequence[Hint] = ()

    @property
    def nothing_is_written(self) -> bool:
        """Whether each of the intents has a fault."""
        return sum(self.faults.values()) == self.intents


def find_bound(writes: Writes, kind: str) -> Bound | None:
    """Return how a kind is written; None if it is not."""
    return next((bound for bound in writes if bound.kind == kind), None)


def explain(drain: Drain, engine: Engine, kind: str, bodies: Sequence[str], *, seconds: float) -> Explanation:
    """Let the drain write envelopes of a kind, explain its statements, and roll back.

    It is a rehearsal (see `penstock.consumer.rehearsal`) on the drain's fast path. If that fails, because the
    ledger has another intent under one of the ids or Postgres refuses a row, it is one on the isolating path, as
    in the drain. Statements of the fast path are executed once, the others twice.

    Args:
        drain: which kind is written how.
        engine: of the database that the drain would write to.
        kind: the kind, by its present name.
        bodies: the texts of the messages.
        seconds: how long it may take, with connecting. A statement may take about a quarter of it, and wait half
            of that for a lock.

    Raises:
        Fault: there is no result, as for `penstock.consumer.rehearsal.rehearse`.
        ValueError: the drain does not write this kind.
    """
    drain = _with_some_key(drain)
    writes, bound = _bound(drain, kind)
    capture = Capture(bound, analyze=True)
    deferred_ms = 0.0

    @contextmanager
    def watch(connection: Connection, _batch: Batch) -> Iterator[None]:
        nonlocal deferred_ms
        capture.forget()
        yield
        start = time.perf_counter()
        check_deferred(connection)
        deferred_ms = (time.perf_counter() - start) * 1000

    with capture.listening(engine):
        batch = rehearse(
            drain, engine, bodies, watch, seconds=seconds, strategy=WriteStrategy.ONE_BY_ONE, writes=writes
        )
    return _explanation(kind, capture, batch.items, analyzed=True, deferred_ms=deferred_ms)


def explain_unexecuted(
    drain: Drain, engine: Engine, kind: str, bodies: Sequence[str], *, seconds: float
) -> Explanation:
    """Have Postgres plan the statements of the fast path for some envelopes. Nothing is executed.

    No function of the service is called: what it sends may depend on what it reads.

    Args:
        drain: which kind is written how.
        engine: of the database that the drain would write to.
        kind: the kind, by its present name.
        bodies: the texts of the messages.
        seconds: how long it may take, with connecting.

    Raises:
        Fault: Postgres refuses a statement, or cannot be reached.
        ValueError: the drain does not write this kind.
    """
    drain = _with_some_key(drain)
    _, bound = _bound(drain, kind)
    capture = Capture(bound, analyze=False)
    batch = batch_of(bodies, seconds)
    items = [item for part in decoder_of(drain, batch).parts() for item in part]
    envelopes = [item.require_envelope() for item in items if item.fault is None]
    try:
        reading = engine.execution_options(postgresql_readonly=True)
        with capture.listening(engine), Watchdog(reading).rolled_back(seconds) as connection:
            set_limits(connection, seconds / 2)
            first, *others = (part.write for part in bound.parts)
            first.claim_and_write(connection, envelopes)
            for write in others:
                write.write_further(connection, envelopes)
    except Exception as error:
        raise fault_of(error) from error
    return _explanation(kind, capture, batch.items, analyzed=False)


def _with_some_key(drain: Drain) -> Drain:
    """Return the drain with a key of the digests: any will do, as no digest is committed."""
    return drain.using(Settings(digest_key="explain"))


def _bound(drain: Drain, kind: str) -> tuple[Writes, Bound]:
    writes = drain.bound()
    bound = find_bound(writes, kind)
    if bound is None:
        raise ValueError(f"the drain writes no kind {kind!r}")
    return writes, bound


def _explanation(
    kind: str, capture: Capture, items: Sequence[Item], *, analyzed: bool, deferred_ms: float = 0
) -> Explanation:
    faults = [item.fault for item in items if item.fault]
    return Explanation(
        kind=kind,
        intents=len(items),
        analyzed=analyzed,
        statements=capture.statements,
        left_out=capture.left_out,
        unseen_function=capture.function_calls > 0 and not capture.explains_function,
        deferred_ms=deferred_ms,
        faults=dict(Counter(f"{type(fault).__name__}: {fault}" for fault in faults).most_common()),
        duplicates=sum(item.duplicate for item in items),
        deployment_fault=any(isinstance(fault, DeploymentFault) for fault in faults),
        environment_fault=any(isinstance(fault, EnvironmentFault) for fault in faults),
    )
