"""The charts of a console, and the thread that reads their figures."""

import threading
from datetime import UTC, datetime

import pytest

from penstock.cli.console.charts import HEIGHT, draw, number, scale
from penstock.cli.console.sampler import KEPT_SECONDS, Sampler
from penstock.cli.status.figures import Figures
from penstock.cli.status.snapshot import Snapshot
from tests.support.console import AT, snapshot


def later(seconds: float) -> datetime:
    return datetime.fromtimestamp(1_000_000 + seconds, UTC)


def samples(*values: float | None, every: float = 3.0) -> list[Figures]:
    return [Figures(later(every * n), rate=value) for n, value in enumerate(values)]


def path_of(given: list[Figures]) -> str:
    (line,) = draw("Settled", "/s", [("per second", lambda one: one.rate)], given).lines
    return line.path


@pytest.mark.parametrize(
    ("most", "top"), [(0, 1), (0.03, 0.05), (1, 1), (1.1, 2), (21, 25), (26_000, 50_000), (99, 100)]
)
def test_the_scale_is_round_and_high_enough(most: float, top: float) -> None:
    """The upper edge of a chart is a round number not below the greatest value."""
    assert scale(most) == pytest.approx(top)


def test_no_peak_is_lost() -> None:
    """A single high value in an hour reaches the upper half of the chart, and the summary names it."""
    given = samples(*[1.0] * 700, 900.0, *[1.0] * 499)
    chart = draw("Settled", "/s", [("per second", lambda one: one.rate)], given)
    heights = [float(point.split(" ")[1].split("h")[0]) for point in chart.lines[0].path[1:].split("L")]
    assert min(heights) == pytest.approx(HEIGHT * 0.1)
    assert chart.summary == "Settled: per second 1/s; at most 900/s in the last 60 minutes"
    assert (chart.top, chart.middle) == ("1,000", "500")


def test_what_was_not_known_is_a_gap() -> None:
    """Values that were not known for a while cut the line, and a short pause between two reads does not."""
    assert path_of(samples(*[1.0] * 40, *[None] * 40, *[2.0] * 40)).count("M") == 2
    assert path_of(samples(*[1.0] * 10, every=9.0)).count("M") == 1
    assert path_of(samples(None, None)) == ""


def test_old_samples_leave_the_chart() -> None:
    """A chart is an hour wide at most, and what is older is not drawn."""
    given = [
        *samples(5.0),
        *(Figures(later(KEPT_SECONDS + n), rate=1.0) for n in (200, 203)),
    ]
    assert "at most 1/s" in draw("Settled", "/s", [("x", lambda one: one.rate)], given).summary


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.314, "0.31"), (2.55, "2.5"), (44.4, "44"), (2000, "2,000")]
)
def test_numbers_are_short(value: float, text: str) -> None:
    """A value has two or three digits."""
    assert number(value) == text


def test_a_failed_read_does_not_end_the_sampler(monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread keeps an error until the next read succeeds, and goes on."""
    monkeypatch.setattr("penstock.cli.console.sampler.EVERY_SECONDS", 0.001)
    seen: list[Exception | None] = []
    done = threading.Event()

    def read() -> Snapshot:
        seen.append(sampler.error)
        if len(seen) == 1:
            raise ValueError("away")
        if len(seen) > 3:
            done.set()
        return snapshot()

    sampler = Sampler(read)
    sampler.start()
    assert done.wait(10)
    sampler.stop()
    assert [bool(error) for error in seen[:3]] == [False, True, False]
    assert sampler.latest
    assert sampler.latest.at == AT
