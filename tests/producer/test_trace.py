"""The trace in which an intent is emitted is sent with it."""

import asyncio
import subprocess
import sys
from contextlib import AbstractContextManager

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, use_span

from penstock.intents import Contract
from penstock.producer import Producer, aio, emitter
from penstock.testing import MemoryQueue
from tests.support.producer import SETTINGS, NoteTaken

ROOT, PARENT = "5759e988bd862e3fe1be46a994272793", "53995c3f42cd8ad8"
HEADER = f"Root=1-{ROOT[:8]}-{ROOT[8:]};Parent={PARENT};Sampled=1;Lineage=a:0"


def emitted() -> tuple[str | None, str | None]:
    """Emit an intent and return the trace of its envelope and of its message."""
    queue = MemoryQueue()
    Producer(SETTINGS, queue).emit(NoteTaken(text="a"))
    envelope = Contract([NoteTaken]).decode(queue.messages[0].body)
    return envelope.traceparent, queue.messages[0].trace


@pytest.mark.parametrize(("header", "flags"), [(HEADER, "01"), (HEADER.replace("Sampled=1", "Sampled=0"), "00")])
def test_a_functions_trace_is_sent(monkeypatch: pytest.MonkeyPatch, header: str, flags: str) -> None:
    """Lambda's X-Ray trace is in the envelope in W3C notation, and in the message unchanged."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    assert emitted() == (f"00-{ROOT}-{PARENT}-{flags}", header)


@pytest.mark.parametrize(
    "header",
    [
        "",
        "Root=1-5759e988-bd862e3fe1be46a994272793;Sampled=1",
        "Self=1-x",
        HEADER.upper(),
        HEADER.replace("Root=1-5", "Root=1-"),
        f"{HEADER};{'x' * 500}",
    ],
    ids=["empty", "no-parent", "no-root", "upper", "short", "long"],
)
def test_a_broken_trace_is_left_out(monkeypatch: pytest.MonkeyPatch, header: str) -> None:
    """An incomplete trace header is not sent, and the intent is emitted without it."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", header)
    assert emitted() == (None, None)


def in_span(*, valid: bool) -> AbstractContextManager[object]:
    """Enter an OpenTelemetry span."""
    span = SpanContext(int(ROOT, 16) if valid else 0, int(PARENT, 16), is_remote=False, trace_flags=TraceFlags(1))
    return use_span(NonRecordingSpan(span))


def test_opentelemetrys_span_takes_precedence(monkeypatch: pytest.MonkeyPatch) -> None:
    """OpenTelemetry's current span takes precedence over the environment's trace."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", HEADER.replace("5", "6"))
    with in_span(valid=True):
        assert emitted() == (f"00-{ROOT}-{PARENT}-01", HEADER.removesuffix(";Lineage=a:0"))


def test_opentelemetrys_span_is_sent_from_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """The span of a task is the trace of its intents, although a thread emits them."""
    queue = MemoryQueue()
    producer = Producer(SETTINGS, queue)
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)

    async def main() -> None:
        with in_span(valid=True):
            await aio.emit(NoteTaken(text="a"))

    asyncio.run(main())
    assert queue.bodies[0]["traceparent"] == f"00-{ROOT}-{PARENT}-01"


def test_without_a_span_the_functions_trace_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Outside a span of OpenTelemetry, the function's trace is sent."""
    monkeypatch.setenv("_X_AMZN_TRACE_ID", HEADER)
    with in_span(valid=False):
        assert emitted()[1] == HEADER
    assert emitted()[1] == HEADER


def test_opentelemetry_is_not_needed() -> None:
    """Emitting does not import OpenTelemetry and does not need it."""
    code = (
        "import sys; sys.modules['opentelemetry'] = None; from penstock.producer.trace import current_trace; "
        "print(current_trace(), 'opentelemetry.trace' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["None", "False"]


def test_without_a_trace_there_is_none() -> None:
    """Outside a trace, the envelope has no traceparent and the message has no header."""
    assert emitted() == (None, None)
