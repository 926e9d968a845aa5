"""The law of order: however the same intents are delivered, a service's bindings leave the same rows."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import chain
from random import Random
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column
from sqlalchemy.orm import InstrumentedAttribute

from penstock.consumer.drain import Drain
from penstock.database.engine import drain_engine
from penstock.intents import WriteIntent
from penstock.settings import Settings
from penstock.testing.context import LambdaContext
from penstock.testing.deliveries import Delivery, deliveries, plain, smallest, ways
from penstock.testing.events import sqs_event
from penstock.testing.keys import DIGEST_KEY, MemoryKeys
from penstock.testing.queue import MemoryQueue
from penstock.testing.table_state import Rows, TableState

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

_SEEDS = 2**32


class OrderMatters(AssertionError):
    """Two deliveries of the same intents leave different rows. The message has the smallest that was found."""


class _Differs(Exception):
    def __init__(self, trial: "_Trial", delivery: Delivery) -> None:
        super().__init__(delivery)
        self.trial = trial
        self.delivery = delivery


class Convergence:
    """Delivers intents in many ways, and compares all rows that each way leaves in the database.

    def test_order_does_not_matter(penstock_converges):
        penstock_converges(drain, [StockAdjusted(sku="A1", delta=5), StockAdjusted(sku="A1", delta=-2)])
    """

    def __init__(self, database_url: str) -> None:
        """Use a database that has the framework's and the service's tables."""
        self._url = database_url

    def __call__(
        self,
        drain: Drain,
        intents: "Iterable[WriteIntent] | SearchStrategy[Sequence[WriteIntent]]",
        *,
        ignore: Collection[Column[Any] | InstrumentedAttribute[Any]] = (),
    ) -> None:
        """Deliver intents in every order, with repetitions, cut into batches in different ways.

        Every order of up to five intents is tried, and 120 orders of more. Each is delivered as one batch, and
        with each intent twice, cut at random. Rows that are in the database before are there in each trial, and
        again in the end.

        Args:
            drain: says which kind is written how. Its own engine and queues are not used.
            intents: some intents, or a Hypothesis strategy for lists of intents.
            ignore: columns that do not depend on the intents, such as a serial number or the time of the writing.

        Raises:
            OrderMatters: two deliveries leave different rows.
            ValueError: no intent was written at all, so that nothing was compared. The log says why.
        """
        __tracebackhide__ = True
        engine = drain_engine(Settings(database_url=self._url))
        settings = Settings(digest_key=DIGEST_KEY)
        queue, dead_letters = MemoryQueue(), MemoryQueue()
        bound = drain.using(settings, engine=engine, queue=queue, dead_letters=dead_letters, keys=MemoryKeys())
        ignored = [(str(column.table.fullname), str(column.name)) for column in ignore]
        try:
            with TableState(self._url) as state:
                self._check(lambda some: _Trial(bound, state, ignored, some), intents)
        finally:
            engine.dispose()

    def _check(
        self,
        trial_of: "Callable[[Sequence[WriteIntent]], _Trial]",
        intents: "Iterable[WriteIntent] | SearchStrategy[Sequence[WriteIntent]]",
    ) -> None:
        __tracebackhide__ = True
        try:
            if isinstance(intents, Iterable):
                trial = trial_of(list(intents))
                trial.compare(deliveries(trial.count))
                written = trial.written
            else:
                written = _compare_examples(trial_of, intents)
        except _Differs as found:
            raise OrderMatters(found.trial.explain(found.delivery)) from None
        if not written:
            raise ValueError("no intent was written, so that nothing was compared: the log says why")


def _compare_examples(
    trial_of: "Callable[[Sequence[WriteIntent]], _Trial]", strategy: "SearchStrategy[Sequence[WriteIntent]]"
) -> int:
    """Compare some deliveries of many examples; return how many intents were written."""
    from hypothesis import HealthCheck, Phase, given, settings  # noqa: PLC0415 (a list needs no Hypothesis)
    from hypothesis import strategies as st  # noqa: PLC0415

    written = 0

    @settings(
        deadline=None,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )
    @given(intents=strategy, seed=st.integers(0, _SEEDS))
    def compare(intents: Sequence[WriteIntent], seed: int) -> None:
        nonlocal written
        trial = trial_of(intents)
        random = Random(seed)  # noqa: S311
        trial.compare(ways(random.sample(range(trial.count), trial.count), random))
        written += trial.written

    compare()
    return written


class _Trial:
    """Some intents, and the rows that their deliveries leave."""

    def __init__(
        self,
        drain: Drain,
        state: TableState,
        ignored: Collection[tuple[str, str]],
        intents: Sequence[WriteIntent],
    ) -> None:
        self.count = len(intents)
        self.written = 0
        self._drain = drain
        self._state = state
        self._ignored = ignored
        self._intents = intents
        self._records = sqs_event(intents)["Records"]
        self._plain: dict[Delivery, Rows] = {}

    def compare(self, tried: Iterator[Delivery]) -> None:
        """Compare deliveries with the plain one.

        Raises:
            _Differs: a delivery leaves other rows.
        """
        self._expected(plain(range(self.count)))
        self.written = self._state.count_written()
        for delivery in tried:
            if self._differs(delivery):
                raise _Differs(self, delivery)

    def explain(self, delivery: Delivery) -> str:
        """Describe the smallest delivery that differs."""
        found = smallest(delivery, self._differs)
        positions = sorted(set(chain(*found)))
        expected, rows = self._expected(plain(positions)), self._left_by(found)
        numbers = {position: number for number, position in enumerate(positions, 1)}
        lines = [f"  {numbers[position]}: {self._intents[position]!r}" for position in positions]
        for way, left, other in ((plain(positions), expected, rows), (found, rows, expected)):
            batches = " then ".join(str([numbers[position] for position in batch]) for batch in way)
            lines.append(f"delivered as {batches}, they leave {_difference(left, other)}")
        return "\n".join(["how these intents are delivered matters, and it must not:", *lines])

    def _differs(self, delivery: Delivery) -> bool:
        return self._left_by(delivery) != self._expected(plain(sorted(set(chain(*delivery)))))

    def _expected(self, delivery: Delivery) -> Rows:
        if delivery not in self._plain:
            self._plain[delivery] = self._left_by(delivery)
        return self._plain[delivery]

    def _left_by(self, delivery: Delivery) -> Rows:
        """Deliver the batches, and then what was handed back, while any of it is written."""
        self._state.restore()
        waiting = [record for batch in delivery for record in self._deliver([self._records[p] for p in batch])]
        while waiting and len(again := self._deliver(waiting)) < len(waiting):
            waiting = again
        return self._state.rows(self._ignored)

    def _deliver(self, records: list[Any]) -> list[Any]:
        """Deliver one batch; return the records that the drain hands back."""
        answer = self._drain.handler({"Records": records}, LambdaContext())
        failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
        return [record for record in records if record["messageId"] in failed]


def _difference(left: Rows, other: Rows) -> str:
    """Describe the rows that only one side has, by table."""
    parts = []
    for table in sorted(left):
        rows = left[table] - other[table]
        if left[table] != other[table]:
            parts.append(f"in {table}: {', '.join(sorted(rows.elements())) or 'no such row'}")
    return "; ".join(parts)
