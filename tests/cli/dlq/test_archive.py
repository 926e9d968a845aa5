"""`penstock dlq export | import`: the files that they write and read."""

import json
from typing import Any

import pytest

from penstock.queue import SqsQueue
from tests.support.cli_stack import Run, Stack, letter
from tests.support.dlq import (
    FOREIGN,
    moved_by_sqs,
)


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz"])
def test_an_import_restores_an_export(shop: Stack, run: Run, name: str) -> None:
    """The file has all dead letters with payloads and attributes, and an import sends the same messages."""
    shop.dead.send([letter(1), moved_by_sqs(2), FOREIGN])
    ended = run("dlq", "export", name, "--json")
    (row,) = ended.rows
    assert (ended.code, row["file"], row["messages"], row["unparsed"]) == (0, name, 3, 1)
    assert "3 dead letters written to" in ended.err
    assert shop.dead.depth().visible == 3
    assert run("dlq", "purge", "--all", "--yes", "--no-backup").code == 0
    ended = run("dlq", "import", name)
    assert (ended.code, ended.out) == (0, "")
    assert "3 sent to the dead-letter queue, 0 failed" in ended.err
    found = {m.body: dict(m.attributes) for m in shop.dead.receive(10)}
    assert found == {m.body: dict(m.attributes) for m in (letter(1), moved_by_sqs(2), FOREIGN)}


def test_an_export_stops_at_the_limit(shop: Stack, run: Run) -> None:
    """--limit bounds an export."""
    shop.dead.send([letter(number) for number in range(3)])
    (row,) = run("dlq", "export", "x", "--limit", "2", "--json").rows
    assert (row["messages"], row["read"]) == (2, 2)


@pytest.mark.parametrize("words", [["export"], ["purge", "--all", "--yes", "--backup"]])
@pytest.mark.parametrize(
    ("name", "code"), [("there", 5), ("draft", 5), ("x.zst", 2), ("no/folder", 1), ("/dev/full", 5)]
)
def test_a_file_that_cannot_be_written(shop: Stack, run: Run, words: list[str], name: str, code: int) -> None:
    """An existing file is a conflict, another compression is wrong usage, and a missing folder is a failure."""
    shop.dead.send([letter(1)])
    (shop.folder / "there").write_text("mine")
    (shop.folder / "draft.part").write_text("mine")
    ended = run("dlq", *words, name)
    assert (ended.code, ended.out) == (code, "")
    assert name in ended.err
    assert shop.dead.depth().visible == 1
    assert (shop.folder / "there").read_text() == (shop.folder / "draft.part").read_text() == "mine"


def test_an_import_reports_invalid_lines(shop: Stack, run: Run) -> None:
    """Each invalid line is printed on stdout, the exit code is 1, and the other lines are imported."""
    good = json.dumps({"body": "hello", "attributes": {}})
    (shop.folder / "x").write_text(f"{good}\nnonsense\n{good}\n")
    ended = run("dlq", "import", "x", "--json")
    assert (ended.code, ended.rows) == (1, [{"line": 2, "code": "NoMessage"}])
    assert shop.dead.depth().total == 2
    assert run("dlq", "import", "x", "--from-line", "3").code == 0
    assert shop.dead.depth().total == 3


def test_an_import_of_a_truncated_file(shop: Stack, run: Run) -> None:
    """The complete lines are imported, the error has the number of the next line, and the exit code is 1."""
    shop.dead.send([letter(number) for number in range(3)])
    run("dlq", "export", "x.gz")
    whole = (shop.folder / "x.gz").read_bytes()
    (shop.folder / "x.gz.part").write_bytes(whole[:-4])
    ended = run("dlq", "import", "x.gz.part")
    assert ended.code == 1
    assert "All lines before line 4 were imported" in ended.err
    assert shop.dead.depth().total == 6


@pytest.mark.parametrize("name", ["nosuch", "."])
def test_an_import_needs_a_file(shop: Stack, run: Run, name: str) -> None:
    """A missing file or a folder is wrong usage."""
    assert run("dlq", "import", name).code == 2


def test_an_interrupted_import_reports_the_next_line(
    shop: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C exits with 130, and stderr has the --from-line to continue with."""
    (shop.folder / "x").write_text(f"{json.dumps({'body': 'hello', 'attributes': {}})}\n" * 200)
    send = SqsQueue.send
    calls = iter(range(10))

    def second(queue: SqsQueue, *words: Any, **options: Any) -> Any:
        if next(calls) == 1:
            raise KeyboardInterrupt
        return send(queue, *words, **options)

    monkeypatch.setattr(SqsQueue, "send", second)
    ended = run("dlq", "import", "x")
    assert ended.code == 130
    assert "continue with --from-line 161" in ended.err
