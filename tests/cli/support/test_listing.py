"""Listings: a table that fits the terminal, lines in a pipe, objects for a program."""

import sys
from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta

import pytest
from rich.cells import cell_len

from penstock.cli.support.column import Column, Row
from penstock.cli.support.listing import Listing, draw, print_rows
from penstock.cli.support.record import draw_record, print_record
from penstock.cli.support.times import relative

ID = "0199a4c2-6a7e-7cc0-8d2e-0b8f6f1f3c11"
COLUMNS = (
    Column(name="id", whole=True, bare=True),
    Column(name="kind"),
    Column(name="receive_count", title="receives", right=True, rank=1),
    Column(name="note", rank=2),
    Column(name="problem", title="do", below=True),
)
PROBLEM = (
    "the visibility timeout of the queue is shorter than six times the timeout of the function that drains it"
)


def row(**more: object) -> Row:
    return {"id": ID, "kind": "page.viewed", "receive_count": 3, "note": "here", "problem": PROBLEM} | more


def drawn(width: int, rows: Sequence[Row], columns: Sequence[Column] = COLUMNS) -> list[str]:
    return [line.plain for line in draw(columns, rows, width)]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    """Each line fits, the id is on one line, and no word is broken or lost."""
    lines = drawn(width, [row(), row(kind="a.kind.of.intent.with.a.long.name", problem=None)])
    assert max(map(cell_len, lines)) <= width
    assert [line for line in lines if ID in line] == [line for line in lines if line.startswith(ID)]
    words = " ".join(lines).split()
    assert set(words) >= {ID, *PROBLEM.split(), "page.viewed", "a.kind.of.intent.with.a.long.name"}


def test_a_wide_terminal_has_all_in_one_line() -> None:
    """With room for everything, each row is one line under its headers."""
    header, line = drawn(200, [row()])
    assert header.split() == ["id", "kind", "receives", "note", "do"]
    assert line.split()[:4] == [ID, "page.viewed", "3", "here"]
    assert line.endswith(PROBLEM)
    assert line.index("page.viewed") == header.index("kind")


def test_a_narrower_one_puts_long_texts_below() -> None:
    """A long text moves under its row; if there is still no room, the columns of the highest rank are left out."""
    header, _, *below = drawn(80, [row()])
    assert header.split() == ["id", "kind", "receives", "note"]
    assert below[0].startswith("  do: the visibility timeout")
    assert drawn(62, [row()])[0].split() == ["id", "kind", "receives"]
    assert drawn(52, [row()])[0].split() == ["id", "kind"]


def test_a_narrow_one_gets_a_block_for_each_row() -> None:
    """Where no table fits, each value has its title, and whole values stay whole."""
    first, second, *others = drawn(40, [row()])
    assert (first, second) == (ID, "  kind page.viewed")
    assert others[0] == "  do the visibility timeout of the"
    columns = [*COLUMNS, Column(name="message_id", whole=True)]
    assert drawn(40, [row(message_id=ID)], columns)[-2:] == ["  message id", f"    {ID}"]


def test_an_empty_column_takes_no_room() -> None:
    """A column without any value is not shown."""
    assert drawn(200, [row(note=None, problem=None)])[0].split() == ["id", "kind", "receives"]


def test_rows_of_one_cause_are_under_it() -> None:
    """The largest group comes first, headers are printed once, and no text of the cause is repeated."""
    rows = [row(kind=kind, problem=None) for kind in ("b", "a", "b")]
    columns = [column for column in COLUMNS if column.name != "kind"]
    lines = [line.plain for line in draw(columns, rows, 80, lambda one: (one["kind"], f"why {one['kind']}"))]
    assert [line for line in lines if not line.startswith(" ")] == ["2 x b", "why b", "", "1 x a", "why a"]
    assert sum("receives" in line for line in lines) == 1
    assert sum(ID in line for line in lines) == 3


def test_texts_of_others_cannot_write_on_the_screen() -> None:
    """Control characters and the markup of the terminal library have no effect."""
    (line,) = drawn(200, [row(kind="[red]x\x1b[31m\n", note=None, problem=None)])[1:]
    assert "[red]x\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}" in line


def test_wide_characters_keep_the_columns() -> None:
    """A character of two columns counts as two."""
    header, line = drawn(200, [row(kind="你好", problem=None)])
    assert cell_len(line[: line.index("  here") - 1]) == header.index("receives") + len("receives") - 1


def test_a_terminal_gets_a_table(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The table is printed at the end, also after an error, and nothing if there are no rows."""
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    with suppress(KeyboardInterrupt), Listing(COLUMNS, as_json=False) as listing:
        listing.add(row())
        assert capsys.readouterr().out == ""
        raise KeyboardInterrupt
    assert ID in capsys.readouterr().out
    assert print_rows([], COLUMNS, as_json=False) == 0
    assert capsys.readouterr().out == ""


def test_a_pipe_gets_each_line_at_once(capsys: pytest.CaptureFixture[str]) -> None:
    """The header comes before the first row, and JSON has no header."""
    for as_json in (False, True):
        with Listing(COLUMNS, as_json=as_json) as listing:
            listing.add(row(note=None))
            assert capsys.readouterr().out.count("\n") == (1 if as_json else 2)


@pytest.mark.parametrize("width", [40, 200])
def test_a_record_is_aligned(width: int) -> None:
    """Values are beside their names, or under them where an id would not fit; a time says how long ago it was."""
    at = (datetime.now(UTC) - timedelta(minutes=3, seconds=5)).isoformat()
    record = {"id": ID, "settled_at": at, "reused_at": None, "fault.constraint": "x", "hint": PROBLEM}
    lines = [line.plain for line in draw_record(record, width, times=("settled_at", "reused_at"))]
    assert max(map(cell_len, lines)) <= width
    assert any(line.split()[-1] == ID for line in lines)
    assert "reused_at" not in "".join(lines)
    assert "(3m ago)" in "".join(lines)


def test_a_record_in_a_pipe_has_every_name(capsys: pytest.CaptureFixture[str]) -> None:
    """A line has the name and the value, and one without a value has a dash."""
    print_record({"a": 1, "b": None}, as_json=False, times=("b",))
    assert capsys.readouterr().out == "a\t1\nb\t-\n"


def test_relative_times() -> None:
    """A time is so long ago, or in so long."""
    now = datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert relative("2026-11-20T09:57:00+00:00", now) == "3m ago"
    assert relative("2026-12-01T10:00:01+00:00", now) == "in 11d"
