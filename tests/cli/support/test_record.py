"""A record on a terminal."""

from rich.console import Console

from penstock.cli.support.record import draw_record


def test_only_the_names_are_faint() -> None:
    """A value beside its name is as bright as its further lines."""
    (line,) = draw_record({"queue": "about 5 waiting"}, 80)
    console = Console()
    assert line.get_style_at_offset(console, 0).dim
    assert not line.get_style_at_offset(console, line.plain.index("about")).dim
