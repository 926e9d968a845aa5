"""The lines of a long run."""

import sys
from typing import Any

import pytest

from penstock.cli.dlq.steps import print_step

ROW: dict[str, Any] = {
    "message_id": "8a0101e0-9267-44ad-9529-6d82c533c149",
    "id": "c05bf6ca-4bf7-55b1-a1d8-1f905f7beb98",
    "kind": "page.viewed",
    "would": "dead",
    "why": "CheckViolation: sqlstate 23514, constraint no_pricing",
}


@pytest.mark.parametrize("columns", [40, 80, 200])
def test_a_terminal_gets_words(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], columns: int
) -> None:
    """The outcome comes first, ids stay whole, nothing is wider than the terminal, and a reason is below."""
    monkeypatch.setenv("COLUMNS", str(columns))
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    print_step(ROW, as_json=False)
    print_step(ROW | {"id": None, "kind": None, "why": None}, as_json=False)
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= columns
    assert lines[0].startswith("dead       page.viewed")
    text = " ".join(" ".join(lines).split())
    assert f"{ROW['id']} {ROW['why']}" in text
    assert text.endswith(f"dead not an intent message {ROW['message_id']}")


def test_a_pipe_gets_every_column(capsys: pytest.CaptureFixture[str]) -> None:
    """A pipe gets tab-separated text, and a hostile kind no control over a terminal."""
    print_step(ROW | {"kind": "a\x1b[2J"}, as_json=False)
    assert capsys.readouterr().out == "\t".join(ROW.values()).replace("page.viewed", "a\ufffd[2J") + "\n"
