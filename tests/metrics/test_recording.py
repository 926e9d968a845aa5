"""Recording metrics, and the lines that are printed for CloudWatch."""

import subprocess
import sys
from typing import Any

import pytest

from penstock.metrics import emf, names
from penstock.metrics.recording import current, recording
from penstock.metrics.sample import sample
from tests.support.printed import HERE, printed_in, values_in


@pytest.fixture(autouse=True)
def _function(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in HERE.items():
        monkeypatch.setenv(name, value)


def test_an_invocation_prints_its_totals_and_each_label(capsys: pytest.CaptureFixture[str]) -> None:
    """Counts are added up in the totals and by label; values that are measured are all there."""
    with recording(for_cloudwatch=True) as metrics:
        metrics.add(names.APPLIED, 2, label="a")
        metrics.add(names.APPLIED, 3, label="b")
        metrics.add(names.APPLIED, 1, label="a")
        metrics.add(names.LAG, 0.5, 1.5)
        metrics.add(names.LAG, 0.25)
    output = capsys.readouterr().out
    assert values_in(output, "Applied") == [6]
    assert values_in(output, "Applied", kind="a") == [3]
    assert values_in(output, "Applied", kind="b") == [3]
    assert values_in(output, "Lag") == [0.5, 1.5, 0.25]
    assert {(one.namespace, one.unit) for one in printed_in(output)} == {
        ("Penstock", "Count"),
        ("Penstock", "Seconds"),
    }


def test_a_single_label_is_in_the_line_of_the_totals(capsys: pytest.CaptureFixture[str]) -> None:
    """A function of one kind prints one line; what differs from the totals has its own."""
    with recording(for_cloudwatch=True) as metrics:
        metrics.add(names.APPLIED, 2, label="a")
        metrics.add(names.STALE, 1, label="a")
        metrics.add(names.HANDED_BACK, 1, label="outage")
    output = capsys.readouterr().out
    assert output.count("\n") == 1
    assert values_in(output, "Applied") == values_in(output, "Applied", kind="a") == [2]
    assert values_in(output, "HandedBack") == values_in(output, "HandedBack", cause="outage") == [1]
    with recording(for_cloudwatch=True) as metrics:
        metrics.add(names.APPLIED, 2, label="a")
        metrics.add(names.DEAD, 1, label="b")
        metrics.add(names.DEAD, 1, label="a")
    output = capsys.readouterr().out
    assert output.count("\n") == 3
    assert values_in(output, "Dead") == [2]
    assert values_in(output, "Dead", kind="a") == values_in(output, "Dead", kind="b") == [1]


def test_the_newest_value_of_a_gauge_counts(capsys: pytest.CaptureFixture[str]) -> None:
    """A gauge says how something is, so earlier values of the same invocation are of no interest."""
    with recording(for_cloudwatch=True) as metrics:
        metrics.add(names.CONNECTIONS, 3)
        metrics.add(names.CONNECTIONS, 2)
    assert values_in(capsys.readouterr().out, "Connections") == [2]


def test_a_block_inside_of_another_prints_with_it(capsys: pytest.CaptureFixture[str]) -> None:
    """A handler that emits often prints once; the inner block can turn printing on for the outer one."""
    with recording() as outer:
        for _ in range(300):
            with recording(for_cloudwatch=True) as inner:
                inner.add(names.EMIT_DURATION, 0.01)
        assert (inner is outer is current(), capsys.readouterr().out) == (True, "")
    assert len(values_in(capsys.readouterr().out, "EmitDuration")) == 100


def test_a_block_that_fails_prints_too(capsys: pytest.CaptureFixture[str]) -> None:
    """What was measured before an error is printed, and the error goes on."""

    def fail() -> None:
        with recording(for_cloudwatch=True) as metrics:
            metrics.add(names.BATCH_SIZE, 1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert values_in(capsys.readouterr().out, "BatchSize") == [1]
    current().add(names.BATCH_SIZE, 2)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(("wanted", "function"), [(False, "f"), (True, None)])
def test_nothing_is_printed_unless_it_is_asked_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, wanted: bool, function: str | None
) -> None:
    """Without the setting nothing is printed; nor outside of Lambda, where the output may be data."""
    if function is None:
        monkeypatch.delenv("AWS_LAMBDA_FUNCTION_NAME")
    with recording(for_cloudwatch=wanted) as metrics:
        metrics.take(lambda _: pytest.fail("computed for nobody"))
        metrics.add(names.BATCH_SIZE, 1)
    assert (capsys.readouterr().out, metrics.active) == ("", False)


def test_a_metric_fails_nothing(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Errors of measuring, of recording and of printing are logged once, without values."""

    def fails(*_: Any) -> None:
        raise RuntimeError("4111 1111 1111 1111")

    with recording(for_cloudwatch=True) as metrics:
        metrics.take(fails)
        metrics.add(names.BATCH_SIZE, 1)
        monkeypatch.setattr(emf, "_provider", fails)
    assert [record.getMessage() for record in caplog.records] == ["metrics failed: RuntimeError"]
    assert capsys.readouterr().out == ""


def test_a_sample_keeps_the_extremes_and_the_percentiles() -> None:
    """Of ten thousand values a hundred are kept, in even steps from the least to the greatest."""
    kept = sample([float(value) for value in reversed(range(10_001))])
    assert (len(kept), kept[0], kept[-1]) == (100, 0, 10_000)
    assert max(abs(value - place * 10_000 / 99) for place, value in enumerate(kept)) < 1


def test_no_two_metrics_share_a_name_in_cloudwatch() -> None:
    """A name stands for one metric; only a counter has a label, and a histogram in seconds has buckets."""
    given = [metric.name for metric in names.METRICS if metric.name]
    assert len(given) == len({*given})
    for metric in names.METRICS:
        assert bool(metric.label) == bool(metric.attribute)
        assert metric.label is None or metric.instrument is names.Instrument.COUNTER
        assert bool(metric.buckets) == (metric.instrument is names.Instrument.HISTOGRAM)


@pytest.mark.slow
def test_powertools_is_not_imported_without_metrics() -> None:
    """A producer whose metrics are off does not pay for them at its start, nor for OpenTelemetry."""
    code = (
        "import sys; import penstock\n"
        "from penstock.metrics import names; from penstock.metrics.recording import recording\n"
        "with recording() as metrics: metrics.add(names.EMITTED, 1, label='a')\n"
        "print([name for name in sys.modules if name.startswith(('aws_lambda_powertools', 'opentelemetry'))])"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ended.stdout == "[]\n"
