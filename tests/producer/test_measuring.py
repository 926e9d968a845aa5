"""What is measured of an emit."""

from dataclasses import replace
from typing import Any

import pytest

from penstock.producer import NotAcknowledged, Producer, emitter
from penstock.producer.http.api import HttpApi
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, http_event
from tests.support.printed import HERE, values_in
from tests.support.producer import NoteTaken

SETTINGS = Settings(receipt_key="key", source="/test", metrics=True)


@pytest.fixture(autouse=True)
def _function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HERE.items():
        monkeypatch.setenv(name, value)


def test_what_sqs_has_and_what_it_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """Intents count by kind, apart from those that were not acknowledged; a call takes one time."""
    queue = MemoryQueue()
    producer = Producer(SETTINGS, queue)
    producer.emit_many(NoteTaken(text=str(number)) for number in range(12))
    output = capsys.readouterr().out
    assert values_in(output, "Emitted") == values_in(output, "Emitted", kind="note.taken") == [12]
    assert len(values_in(output, "EmitDuration")) == 1
    queue.refuse("ServiceUnavailable")
    with pytest.raises(NotAcknowledged):
        producer.emit(NoteTaken(text="a"))
    output = capsys.readouterr().out
    assert (values_in(output, "NotAcknowledged"), values_in(output, "Emitted")) == ([1], [])


def test_a_pack_counts_as_its_intents(capsys: pytest.CaptureFixture[str]) -> None:
    """Intents that share a message are counted one by one, also if SQS refuses it."""
    queue = MemoryQueue()
    producer = Producer(replace(SETTINGS, pack_limit=65_536), queue)
    producer.emit_many(NoteTaken(text=str(number)) for number in range(12))
    assert len(queue.messages) == 1
    assert values_in(capsys.readouterr().out, "Emitted", kind="note.taken") == [12]
    queue.refuse("ServiceUnavailable")
    with pytest.raises(NotAcknowledged):
        producer.emit_many(NoteTaken(text=str(number)) for number in range(12))
    output = capsys.readouterr().out
    assert (values_in(output, "NotAcknowledged"), values_in(output, "Emitted")) == ([12], [])


def test_a_request_prints_once(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler of `HttpApi` that emits twice prints the sum, at the end of its request."""
    api = HttpApi(SETTINGS)

    @api.post("/notes")
    def take_notes() -> dict[str, Any]:
        for _ in range(2):
            api.emit(NoteTaken(text="a"))
        assert capsys.readouterr().out == ""
        return {"text": "taken"}

    with emitter.use_producer(Producer(SETTINGS, MemoryQueue())):
        answer = api.resolve(http_event("POST /notes", {}), LambdaContext())
    assert answer["statusCode"] == 200
    assert values_in(capsys.readouterr().out, "Emitted", kind="note.taken") == [2]


def test_an_error_of_measuring_takes_no_receipt(monkeypatch: pytest.MonkeyPatch) -> None:
    """SQS has the intent, so its caller gets the receipt."""

    def fails(*_: Any) -> None:
        raise RuntimeError

    monkeypatch.setattr(emitter, "measure_emit", fails)
    queue = MemoryQueue()
    receipt = Producer(SETTINGS, queue).emit(NoteTaken(text="a"))
    assert [body["id"] for body in queue.bodies] == [str(receipt.id)]
