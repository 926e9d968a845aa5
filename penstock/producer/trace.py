"""The trace in which an intent is emitted: OpenTelemetry's current span, or the Lambda function's X-Ray trace."""

import os
import re
import sys
from dataclasses import dataclass
from functools import lru_cache

_ROOT = re.compile("Root=1-([0-9a-f]{8})-([0-9a-f]{24})(?:;|$)")
_PARENT = re.compile("Parent=([0-9a-f]{16})(?:;|$)")
_HEADER_LIMIT = 500


@dataclass(frozen=True, slots=True)
class Trace:
    """One trace context in two notations.

    Attributes:
        traceparent: the W3C notation (Trace Context, section 3.2), for the envelope.
        header: the X-Ray notation (X-Ray Developer Guide, "Tracing header"), for SQS's `AWSTraceHeader`.
    """

    traceparent: str
    header: str


def current_trace() -> Trace | None:
    """Return the trace that this call is a part of, or None."""
    return _opentelemetry_trace() or _xray_trace(os.environ.get("_X_AMZN_TRACE_ID", ""))


def _opentelemetry_trace() -> Trace | None:
    # A service that uses OpenTelemetry has imported it already. Importing it here would slow down the others.
    api = sys.modules.get("opentelemetry.trace")
    if api is None:
        return None
    span = api.get_current_span().get_span_context()
    if not span.is_valid:
        return None
    trace_id, span_id, sampled = f"{span.trace_id:032x}", f"{span.span_id:016x}", span.trace_flags & 1
    header = f"Root=1-{trace_id[:8]}-{trace_id[8:]};Parent={span_id};Sampled={sampled}"
    return Trace(f"00-{trace_id}-{span_id}-{sampled:02x}", header)


@lru_cache(maxsize=8)
def _xray_trace(header: str) -> Trace | None:
    """Parse the tracing header that Lambda sets for each invocation; None if it is incomplete or too long."""
    root, parent = _ROOT.search(header), _PARENT.search(header)
    if not root or not parent or len(header) > _HEADER_LIMIT:
        return None
    sampled = "Sampled=1" in header
    return Trace(f"00-{root[1]}{root[2]}-{parent[1]}-{sampled:02x}", header)
