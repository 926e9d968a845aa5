"""The page on metrics has each metric, with its names, its unit and its label."""

from penstock.metrics.names import METRICS, Metric
from tests.support.project import ROOT

PAGE = (ROOT / "docs" / "metrics.md").read_text()


def _row(metric: Metric) -> tuple[str, str, str, str]:
    outcome = metric.attributes.get("penstock.outcome")
    more = (
        f"`, `penstock.outcome={outcome}`"
        if outcome
        else "` with `error.type`"
        if "error.type" in metric.attributes
        else "`"
    )
    unit = "seconds" if metric.unit == "s" else "count"
    name, label = (f"`{one}`" if one else "" for one in (metric.name, metric.label))
    return name, f"`{metric.otel}{more}", unit, label


def test_every_metric_is_a_row() -> None:
    """The table has the metrics of the catalogue, in its order, and no others."""
    cells = (tuple(cell.strip() for cell in line.split("|")[1:5]) for line in PAGE.splitlines() if "|" in line)
    rows = [row for row in cells if row[2:3] and row[2] in {"count", "seconds"}]
    assert rows == [_row(metric) for metric in METRICS]


def test_every_attribute_is_named() -> None:
    """The page names what OpenTelemetry calls a label."""
    missing = [metric.attribute for metric in METRICS if metric.attribute and f"`{metric.attribute}`" not in PAGE]
    assert missing == []
