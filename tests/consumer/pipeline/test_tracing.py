"""The span of the drain is linked to the traces in which its intents were emitted."""

from typing import Any

import pytest
from opentelemetry import trace
from sqlalchemy import Engine

from penstock.intents import encode_envelope, new_id
from tests.support.drain import Bench, ThingMade

HERE = f"00-{'a' * 32}-{'b' * 16}-01"
THERE = f"00-{'c' * 32}-{'d' * 16}-00"


class RecordingSpan(trace.NonRecordingSpan):
    """A span that records its links, as an SDK's does."""

    def __init__(self, *, broken: bool = False) -> None:
        super().__init__(trace.INVALID_SPAN_CONTEXT)
        self.links: list[str] = []
        self._broken = broken

    def is_recording(self) -> bool:
        return True

    def add_link(self, context: trace.SpanContext, attributes: Any = None) -> None:  # noqa: ARG002 (OpenTelemetry's)
        if self._broken:
            raise RuntimeError("no link")
        self.links.append(f"00-{context.trace_id:032x}-{context.span_id:016x}-{context.trace_flags:02x}")


@pytest.fixture
def bench(engine: Engine) -> Bench:
    """Make a drain of one kind."""
    return Bench(engine)


def emitted(*traceparents: str | None) -> list[str]:
    """Return messages of intents that were emitted in these traces."""
    return [
        encode_envelope(ThingMade(name=str(new_id())), id=new_id(), source="/test", traceparent=each)
        for each in traceparents
    ]


def test_the_span_is_linked_to_each_trace_once(bench: Bench) -> None:
    """Intents of one trace make one link; one without a valid trace makes none, and is written too."""
    span = RecordingSpan()
    with trace.use_span(span):
        assert bench(emitted(HERE, THERE, HERE, None, "4111 1111 1111 1111")) == []
    assert (sorted(span.links), len(bench.names)) == ([HERE, THERE], 5)


def test_links_have_a_limit(bench: Bench) -> None:
    """If a batch has more traces than a span may have links, the first are linked."""
    span = RecordingSpan()
    traces = [f"00-{number:032x}-{'b' * 16}-01" for number in range(1, 200)]
    with trace.use_span(span):
        bench(emitted(*traces))
    assert span.links == traces[:128]


def test_a_link_that_fails_costs_nothing(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A committed intent is acknowledged, even if its link fails."""
    with trace.use_span(RecordingSpan(broken=True)):
        assert bench(emitted(HERE)) == []
    assert len(bench.names) == 1
    assert "traces not linked: RuntimeError" in caplog.text
