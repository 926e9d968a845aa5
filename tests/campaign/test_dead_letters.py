"""Commands on dead letters are killed with SIGKILL again and again, on a real local stack: nothing is lost.

KILLS is how often a replay is killed, 10 by default.
"""

import os
import random
import shutil
import sys
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest

from penstock import WriteIntent
from penstock.consumer.pipeline.bisect import SYSTEMIC_MIN_ROWS
from penstock.deadletters.archive.file import ArchiveError, read_archive
from penstock.deadletters.scan.leases import PAGE_SECONDS
from penstock.local import state
from penstock.local.processes import wait_until
from penstock.local.stack import LocalDeployment
from penstock.local.state import LocalState
from penstock.queue import Outgoing, SqsQueue, sqs_client
from shared.intents import PageViewed, StockAdjusted
from tests.campaign.command import TIMEOUT_SECONDS, Command, dead_letter, ids_of, look_at
from tests.support.project import SESSION

KILLS = int(os.environ.get("KILLS", "10"))
LETTERS = 2000
POISON = SYSTEMIC_MIN_ROWS - 1
"""A whole batch of more could rest for minutes: all of it fails for one cause, as with a broken deployment."""
RATE = 200
REPLAY = ("replay", "--all", "--yes", "--json")

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(900), pytest.mark.xdist_group("deployment")]


class Queues:
    """The two queues of a stack; `settle` waits until no message moves any more."""

    def __init__(self, live: LocalState) -> None:
        self.client = sqs_client(SESSION, live.endpoint_url)
        self.main = SqsQueue(live.queue_url, self.client)
        self.dead = SqsQueue(live.dead_letter_queue_url, self.client)

    def fill(self, letters: list[Outgoing]) -> None:
        """Put dead letters on their queue."""
        assert not self.dead.send(letters, timeout_seconds=TIMEOUT_SECONDS)

    def settle(self) -> None:
        """Wait until the drain has taken all messages, and no killed command holds a lease any more."""

        def still() -> bool:
            return self.main.depth().total == 0 and self.dead.depth().in_flight == 0

        # A command that was killed leaves the leases of its page behind.
        wait_until(still, PAGE_SECONDS + TIMEOUT_SECONDS)
        assert still(), (self.main.depth(), self.dead.depth())

    def dead_ids(self) -> set[str]:
        """Return the ids of all dead letters."""
        return ids_of(one.body for one in look_at(self.dead))


@pytest.fixture
def queues(live: LocalState) -> Iterator[Queues]:
    """Return the queues of the stack, without what an earlier test has left, and empty them at the end."""
    queues = Queues(live)
    with closing(queues.client):
        # After an outage, a message that was delivered twice may rest for minutes, though its intent is applied.
        queues.client.purge_queue(QueueUrl=queues.main.url)
        yield queues
        queues.client.purge_queue(QueueUrl=queues.dead.url)


@pytest.fixture
def chance(capsys: pytest.CaptureFixture[str]) -> random.Random:
    """Return a random generator whose seed is printed."""
    seed = random.randrange(2**32)  # noqa: S311
    with capsys.disabled():
        sys.stdout.write(f"\nseed {seed}: ")
    return random.Random(seed)  # noqa: S311


@pytest.fixture
def command(stack: LocalDeployment, live: LocalState, tmp_path: Path, chance: random.Random) -> Command:
    """Return the command, in a folder from which it finds the stack."""
    (tmp_path / "serverless.yml").write_text(f"service: {live.service}\n")
    (tmp_path / state.FOLDER).mkdir()
    shutil.copy(stack.folder / state.FILE, tmp_path / state.FOLDER)
    return Command(tmp_path, chance)


Say = Callable[[str], None]


@pytest.fixture
def say(capsys: pytest.CaptureFixture[str]) -> Say:
    """Return a function that prints a line of the report."""

    def say(text: str) -> None:
        with capsys.disabled():
            sys.stdout.write(f"{text}\n")

    return say


def intents(sku: str, count: int) -> list[WriteIntent]:
    """Return valid intents, for a table that counts and one that lists."""
    return [_viewed(sku) if number % 2 else StockAdjusted(sku=sku, delta=1) for number in range(count)]


def _viewed(path: str, milliseconds: int = 1) -> PageViewed:
    now = datetime.now(UTC)
    return PageViewed(path=path, visitor=uuid.uuid4(), viewed_at=now, duration_ms=milliseconds)


def test_a_replay_killed_at_any_moment_loses_and_repeats_nothing(
    live: LocalState, queues: Queues, command: Command, say: Say
) -> None:
    """Wherever a replay is killed, in the end each good intent has taken effect once, and each bad one is dead."""
    sku = f"sku-{uuid.uuid4()}"
    good, poison = intents(sku, LETTERS), [_viewed(sku, 2_000_000_000) for _ in range(POISON)]
    queues.fill([dead_letter(one) for one in (*good, *poison)])
    kills, outcomes = 0, Counter[str]()
    for _ in range(KILLS):
        lines, killed = command.kill(*REPLAY, watched=command.out, most_bytes=25_000)
        kills += killed
        outcomes.update(line["outcome"] for line in lines)
    bad = {str(one.intent_id) for one in poison}
    runs = 0
    while runs == 0 or queues.dead_ids() != bad:
        assert runs < 5, "the dead letters do not become fewer"
        queues.settle()
        outcomes.update(line["outcome"] for line in command.run(*REPLAY))
        queues.settle()
        runs += 1
    found = ledger(live, [*good, *poison])
    assert found == {str(one.intent_id): "applied" for one in good} | dict.fromkeys(bad, "dead")
    assert effects(live, sku) == (LETTERS / 2, LETTERS / 2)
    say(
        f"{kills} of {KILLS} replays killed, {runs} to the end, of {LETTERS} good and {POISON} bad dead letters:"
        f" {dict(outcomes)} reported; {Counter(found.values())} in the ledger, {len(bad)} on the dead-letter queue"
    )
    assert kills >= KILLS // 2


def ledger(live: LocalState, of: list[WriteIntent]) -> dict[str, str]:
    """Return the outcome of each intent that is in the ledger."""
    query = "SELECT id, outcome FROM penstock.ledger WHERE id = ANY(%s)"
    with psycopg.connect(live.database_url) as connection:
        return {str(id_): outcome for id_, outcome in connection.execute(query, [[one.intent_id for one in of]])}


def effects(live: LocalState, sku: str) -> tuple[int, int]:
    """Return the counted quantity, and the number of listed rows."""
    query = "SELECT (SELECT quantity FROM stock WHERE sku = %s), (SELECT count(*) FROM page_views WHERE path = %s)"
    with psycopg.connect(live.database_url) as connection:
        ((quantity, rows),) = connection.execute(query, [sku, sku]).fetchall()
    return int(quantity), int(rows)


def test_a_purge_killed_at_any_moment_leaves_each_on_the_queue_or_in_a_backup(
    queues: Queues, command: Command, say: Say
) -> None:
    """Wherever a purge is when it is killed, each letter is on the queue or in a backup, complete or partial."""
    letters = intents("purged", 600)
    queues.fill([dead_letter(one) for one in letters])
    everything, kills = {str(one.intent_id) for one in letters}, 0
    backups = [command.folder / f"backup-{number}.jsonl{'.gz' * (number % 2)}" for number in range(4)]
    for backup in backups[:-1]:
        words = ("purge", "--all", "--yes", "--json", "--backup", str(backup))
        kills += command.kill(*words, watched=command.out, most_bytes=10_000)[1]
        queues.settle()
        assert queues.dead_ids() | saved(backups) == everything
    command.run("purge", "--all", "--yes", "--json", "--backup", str(backups[-1]))
    assert queues.dead_ids() == set()
    assert saved(backups) == everything
    parts = sum(part_of(backup).exists() for backup in backups)
    say(f"{kills} of {len(backups) - 1} purges killed, {parts} backups in part: all {len(everything)} are in one")
    assert kills


def part_of(backup: Path) -> Path:
    return backup.with_name(f"{backup.name}.part")


def saved(backups: list[Path]) -> set[str]:
    """Return the ids of all messages in backups, whole and in part."""
    bodies: list[str] = []
    for file in [file for backup in backups for file in (backup, part_of(backup)) if file.exists()]:
        # Of one that is cut off, all that comes before the error.
        with suppress(ArchiveError):
            bodies.extend(message.body for _, message in read_archive(file) if message)
    return ids_of(bodies)


def test_an_export_killed_at_any_moment_changes_nothing(queues: Queues, command: Command, say: Say) -> None:
    """Wherever an export is when it is killed, all dead letters are on their queue once its leases expire."""
    letters = intents("exported", 600)
    queues.fill([dead_letter(one) for one in letters])
    kills = 0
    for number in range(2):
        file = command.folder / f"export-{number}.jsonl"
        kills += command.kill("export", str(file), watched=part_of(file), most_bytes=500_000)[1]
        queues.settle()
        assert Counter(one.body for one in look_at(queues.dead)) == Counter(
            dead_letter(one).body for one in letters
        )
    say(f"{kills} of 2 exports killed: all {len(letters)} dead letters are as they were")
    assert kills


def test_a_replay_keeps_to_its_rate(queues: Queues, command: Command, say: Say) -> None:
    """By the clock of SQS, no more are sent in any second than the rate allows, within a slice."""
    queues.fill([dead_letter(one) for one in intents("slowly", 4 * RATE)])
    url = queues.client.create_queue(QueueName=f"slow-{uuid.uuid4()}")["QueueUrl"]
    command.run(*REPLAY, "--rate", str(RATE), "--to", url)
    moments = sorted(one.sent_at for one in look_at(SqsQueue(url, queues.client)))
    assert len(moments) == 4 * RATE
    busiest = max(sum(start <= one < start + 1 for one in moments) for start in moments)
    average = len(moments) / (moments[-1] - moments[0])
    say(f"{len(moments)} at --rate {RATE}: {average:.0f}/s on average, {busiest} in the busiest second")
    assert RATE / 2 < average < 1.4 * RATE
    assert busiest <= 2 * RATE
