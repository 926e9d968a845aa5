"""`penstock dlq purge`: what it deletes, saves, marks and asks."""

import signal
import subprocess

import pytest
from sqlalchemy import Engine

from penstock.deadletters.archive.file import read_archive
from tests.support.cli_stack import PROGRAM, Run, Stack, id_of, letter
from tests.support.dlq import FOREIGN, KIND, moved_by_sqs, operation_records
from tests.support.ledgers import Ledger
from tests.support.terminals import Terminal


def test_a_purge_is_backed_up_marked_and_recorded(shop: Stack, run: Run, engine: Engine, ledger: Ledger) -> None:
    """Each deletion is printed, the backup has the time in its name, and the ledger and the record are written."""
    ledger.enter("dead", id=id_of(1))
    shop.dead.send([letter(1), moved_by_sqs(2), FOREIGN])
    ended = run("dlq", "purge", "--all", "--yes", "--json")
    assert (ended.code, [row["outcome"] for row in ended.rows]) == (0, ["deleted"] * 3)
    (backup,) = shop.folder.glob(".penstock/backups/dead-letters-*-local-*Z.jsonl.gz")
    assert str(backup) in ended.err
    assert len(list(read_archive(backup))) == 3
    (record,) = operation_records(engine)
    assert (record["action"], record["outcome"]) == ("purge", "done")
    assert (record["selection"], record["counts"]) == (
        {"all": True, "limit": None, "backup": str(backup)},
        {"deleted": 3, "not deleted": 0},
    )
    with engine.connect() as connection:
        marked = connection.exec_driver_sql("SELECT fault->>'purged' FROM penstock.ledger").scalar()
    assert marked == str(record["id"])


def test_git_ignores_the_backups(shop: Stack, run: Run) -> None:
    """The folder of the backups has a .gitignore of its own, and is readable for its owner only."""
    subprocess.run(["git", "init", "--quiet"], cwd=shop.folder, check=True)
    shop.dead.send([letter(1)])
    assert run("dlq", "purge", "--all", "--yes").code == 0
    folder = shop.folder / ".penstock" / "backups"
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--exclude-standard"], cwd=folder, check=True, capture_output=True
    )
    assert (listed.stdout, folder.stat().st_mode & 0o777) == (b"", 0o700)


def test_a_backup_folder_that_cannot_be_made_stops_a_purge(shop: Stack, run: Run) -> None:
    """Nothing is deleted, and the error names --backup."""
    shop.dead.send([letter(1)])
    (shop.folder / ".penstock" / "backups").write_text("a file")
    ended = run("dlq", "purge", "--all", "--yes")
    assert (ended.code, shop.dead.depth().visible) == (2, 1)
    assert "--backup" in ended.err


def test_a_purge_stops_at_the_limit(shop: Stack, run: Run) -> None:
    """--limit bounds a purge; --no-backup writes no file, and does not go with --backup."""
    shop.dead.send([letter(number) for number in range(3)])
    assert run("dlq", "purge", "--all", "--yes", "--no-backup", "--backup", "x").code == 2
    ended = run("dlq", "purge", "--all", "--yes", "--no-backup", "--limit", "2")
    assert (ended.code, len(ended.out.splitlines())) == (0, 2)
    assert "backup" not in ended.err
    assert shop.dead.depth().visible == 1


def test_a_purge_stops_if_the_ledger_cannot_be_marked(shop: Stack, run: Run, engine: Engine) -> None:
    """The deleted ones are printed and in the partial backup, no more are deleted, and the exit code is 1."""
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE penstock.ledger RENAME TO ledger_away")
    shop.dead.send([letter(number) for number in range(25)])
    ended = run("dlq", "purge", "--all", "--yes", "--backup", "x")
    deleted = len(ended.out.splitlines())
    assert (ended.code, shop.dead.depth().visible) == (1, 25 - deleted)
    assert 0 < deleted < 25
    assert f"{deleted} were deleted, but could not be marked in the ledger" in ended.err
    assert len(list(read_archive(shop.folder / "x.part"))) == deleted
    assert operation_records(engine)[0]["counts"] == {"deleted": deleted}


def test_a_full_disk_stops_a_purge(shop: Stack, run: Run, engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is deleted that is not in the backup, and the error and the record have the failure."""
    shop.dead.send([letter(1)])

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("penstock.deadletters.archive.file.Archive._sync", lambda _: full(0))
    ended = run("dlq", "purge", "--all", "--yes")
    assert (ended.code, ended.out) == (1, "")
    assert "No space left on device" in ended.err
    assert shop.dead.depth().visible == 1
    assert (operation_records(engine)[0]["outcome"], operation_records(engine)[0]["counts"]) == ("failed", {})


def test_a_purge_asks_for_the_name_of_the_stage(shop: Stack) -> None:
    """Another text, or no input, changes nothing and exits with 3; Ctrl-C exits with 130."""
    shop.dead.send([letter(1)])
    for keys, code in (("yes\n", 3), ("\x04", 3), (None, 130), ("local\n", 0)):
        assert shop.dead.depth().visible == 1
        with Terminal([PROGRAM, "dlq", "purge", "--all"]) as terminal:
            terminal.wait_for("All of about 1 dead letters will be deleted permanently.")
            terminal.wait_for("Type local to go on: ")
            terminal.press(keys) if keys else terminal.process.send_signal(signal.SIGINT)
            assert terminal.ended() == code
    assert shop.dead.depth().total == 0


@pytest.mark.parametrize("words", [["--all"], [*KIND], ["--all", "--no-input"]])
def test_a_purge_needs_a_confirmation(shop: Stack, run: Run, words: list[str]) -> None:
    """Without a terminal, a purge without --yes changes nothing and exits with 3."""
    shop.dead.send([letter(1)])
    ended = run("dlq", "purge", *words)
    assert (ended.code, ended.out) == (3, "")
    assert shop.dead.depth().visible == 1
