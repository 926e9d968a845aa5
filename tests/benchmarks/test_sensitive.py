"""The benchmark of Sensitive fields measures; its results are not asserted."""

from sqlalchemy import Engine

from benchmarks.sensitive.__main__ import measure, metadata


def test_both_kinds_are_measured(engine: Engine) -> None:
    """There is a figure for each kind of emitting and draining, their ratios, and the sizes."""
    metadata.create_all(engine)
    figures = measure(engine, 1)
    assert len(figures) == 8
    assert all(figure.value > 0 for figure in figures)
