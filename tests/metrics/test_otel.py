"""What OpenTelemetry gets, if the service has set a provider of meters."""

import pytest
from opentelemetry import metrics as api

from penstock.metrics import names
from penstock.metrics.recording import current, recording
from tests.support.meters import Kept

SENT = {
    "messaging.system": "aws_sqs",
    "messaging.operation.name": "send",
    "messaging.operation.type": "send",
    "messaging.destination.name": "shop",
    "penstock.kind": "a",
}


def _use(monkeypatch: pytest.MonkeyPatch, provider: Kept) -> Kept:
    monkeypatch.setattr(api, "get_meter_provider", lambda: provider)
    return provider


def test_the_semantic_conventions_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was sent has the names of messaging; what SQS did not acknowledge has an error's type."""
    kept = _use(monkeypatch, Kept())
    with recording() as metrics:
        assert metrics.active
        metrics.add(names.EMITTED, 2, label="a", attributes={names.QUEUE: "shop"})
        metrics.add(names.NOT_ACKNOWLEDGED, 1, label="a", attributes={names.QUEUE: "shop"})
    assert kept.points["messaging.client.sent.messages"] == [
        (2, SENT),
        (1, SENT | {"error.type": "NotAcknowledged"}),
    ]


def test_every_metric_gets_its_instrument(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics that share a name share an instrument: two of one name would conflict."""
    kept = _use(monkeypatch, Kept())
    for metric in names.METRICS:
        current().add(metric, 1, label="a" if metric.label else None)
    assert {one["name"] for one in kept.made} == {metric.otel for metric in names.METRICS}
    assert len(kept.made) == len({one["name"] for one in kept.made})
    assert [value for value, _ in kept.points["penstock.intents"]] == [1] * 6
    (lag,) = (one for one in kept.made if one["name"] == "penstock.lag")
    assert (lag["unit"], lag["explicit_bucket_boundaries_advisory"][-1]) == ("s", 86_400)


def test_a_provider_that_fails_fails_nothing(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """An error of the provider is logged once for each invocation."""
    _use(monkeypatch, Kept(broken=True))
    with recording() as metrics:
        metrics.add(names.EMITTED, 1)
        metrics.add(names.EMITTED, 1)
    assert [record.getMessage() for record in caplog.records] == ["metrics failed: RuntimeError"]


def test_without_a_provider_nothing_is_computed() -> None:
    """The stand-in of OpenTelemetry's API takes no values, so none are computed for it."""
    with recording() as metrics:
        assert not metrics.active
