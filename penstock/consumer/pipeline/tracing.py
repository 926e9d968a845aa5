"""Links from the span of an invocation to the traces that its intents were emitted in.

A batch has many causes and a span has one parent, so these are links (OpenTelemetry, "Semantic conventions for
messaging spans"). X-Ray makes its own links from the `AWSTraceHeader` of the messages if the function's tracing is
on.
"""

import logging
import re
import sys
from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

from penstock.consumer.batch import Batch, Item

_MOST_LINKS: Final = 128
"""The default limit of links per span in OpenTelemetry's SDK ("SDK limits")."""

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
"""W3C Trace Context, "traceparent Header"."""

_logger = logging.getLogger(__name__)


def traceparent_of(item: Item) -> str | None:
    """Return the trace that an intent was emitted in; None if its `traceparent` is not a valid one."""
    given = item.traceparent
    return given if given and _TRACEPARENT.fullmatch(given) else None


def link_traces(batch: Batch) -> None:
    """Link the current OpenTelemetry span, if there is one, to the traces of the intents. Never raises."""
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return
    try:
        span = api.get_current_span()
        if span.is_recording():
            for context in _contexts(api, batch.items):
                span.add_link(context)
    except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
        _logger.warning("traces not linked: %s", type(error).__name__, extra={"action": "traces_not_linked"})


def _contexts(api: Any, items: Iterable[Item]) -> Iterable[Any]:
    """Return one context for each distinct trace."""
    distinct = dict.fromkeys(filter(None, map(traceparent_of, items)))
    for traceparent in islice(distinct, _MOST_LINKS):
        _, trace_id, span_id, flags = traceparent.split("-")
        yield api.SpanContext(
            int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=api.TraceFlags(int(flags, 16))
        )
