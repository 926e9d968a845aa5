"""What is measured in an invocation, handed on to CloudWatch and to OpenTelemetry. Nothing here ever raises."""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType
from typing import Final

from penstock.metrics import otel
from penstock.metrics.emf import Lines, lambda_function
from penstock.metrics.names import Metric
from penstock.metrics.sample import sample

_NONE: Final[Mapping[str, str]] = MappingProxyType({})

_logger = logging.getLogger(__name__)


class Recording:
    """The metrics of one block of code, such as an invocation."""

    def __init__(self) -> None:
        """Begin without values, and not for CloudWatch."""
        self._lines: Lines | None = None
        self._failed = False

    @property
    def active(self) -> bool:
        """Whether anything takes values. If not, there is no need to compute them."""
        return self._lines is not None or otel.find_provider() is not None

    def print_at_end(self) -> None:
        """Print the values for CloudWatch at the end of the block, if this is a Lambda function."""
        function = lambda_function()
        if function and self._lines is None:
            self._lines = Lines(function)

    def add(
        self, metric: Metric, *values: float, label: str | None = None, attributes: Mapping[str, str] = _NONE
    ) -> None:
        """Add values of a metric.

        Args:
            metric: the metric.
            values: the number that a counter counts, or the values that were measured.
            label: the value of the metric's label: one of a small, known set, and never an id or a tenant.
            attributes: more attributes, for OpenTelemetry alone.
        """
        self._guard(lambda: self._add(metric, values, label, attributes))

    def take(self, measure: Callable[["Recording"], None]) -> None:
        """Call a function that measures and adds, if anything takes values."""
        if self.active:
            self._guard(lambda: measure(self))

    def close(self) -> None:
        """Print what is to be printed."""
        if self._lines is not None:
            self._guard(self._lines.print)

    def _add(
        self, metric: Metric, values: Sequence[float], label: str | None, attributes: Mapping[str, str]
    ) -> None:
        kept = sample(values)
        if not kept:
            return
        if self._lines is not None:
            self._lines.add(metric, kept, label)
        otel.record(metric, kept, label, attributes)

    def _guard(self, step: Callable[[], None]) -> None:
        try:
            step()
        except Exception as error:  # noqa: BLE001 (a metric fails nothing)
            self._log(error)

    def _log(self, error: Exception) -> None:
        if not self._failed:
            self._failed = True
            _logger.warning("metrics failed: %s", type(error).__name__, extra={"action": "metrics_failed"})


_IDLE: Final = Recording()
"""Outside of every block: what is added goes to OpenTelemetry alone."""

_current: ContextVar[Recording] = ContextVar("penstock_metrics", default=_IDLE)


def current() -> Recording:
    """Return the recording of the block around this call."""
    return _current.get()


@contextmanager
def recording(*, for_cloudwatch: bool = False) -> Iterator[Recording]:
    """Record what is measured in a block, and print it at the end of the block, even if that fails.

    A block inside of another one adds to that one, so that an invocation prints once.

    Args:
        for_cloudwatch: whether to print anything; see the setting `PENSTOCK_METRICS`.
    """
    outer = _current.get()
    made = Recording() if outer is _IDLE else outer
    if for_cloudwatch:
        made.print_at_end()
    if made is outer:
        yield made
        return
    token = _current.set(made)
    try:
        yield made
    finally:
        _current.reset(token)
        made.close()
