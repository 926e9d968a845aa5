"""The `penstock dlq` command in its own process, which a test can kill at any moment, and dead letters for it."""

import json
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from penstock import WriteIntent
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.faults.tree import Cause, DataFault
from penstock.intents import encode_envelope, kind_of
from penstock.queue import Outgoing, Received, SqsQueue

LEASE_SECONDS = 4
TIMEOUT_SECONDS = 60
LONGEST_MOMENT_SECONDS = 0.05
# The real command with shorter leases, so that messages that a killed one held are soon visible again.
PROGRAM = f"""
import sys
from penstock.cli import main
from penstock.deadletters.scan import leases
sys.modules["penstock.deadletters.replay.replay"].PAGE_SECONDS = leases.PAGE_SECONDS = {LEASE_SECONDS}
assert hasattr(leases, "_MIN_SCANNED_PER_SECOND")
leases._MIN_SCANNED_PER_SECOND = 10**9
main(sys.argv[1:])
"""


class Command:
    """The command, run in a folder with the recorded state of a stack."""

    def __init__(self, folder: Path, chance: random.Random) -> None:
        self.folder = folder
        self.out = folder / "out.jsonl"
        self._chance = chance

    def run(self, *words: str) -> list[Any]:
        """Run it to its end; return its output."""
        with self._started(words) as process:
            process.wait(TIMEOUT_SECONDS)
        return self._lines()

    def kill(self, *words: str, watched: Path, most_bytes: int) -> tuple[list[Any], bool]:
        """Run it, and kill it once a file has a random number of bytes, and a moment has passed.

        Returns:
            Its output, and whether it was killed before its end.
        """
        wanted, end = self._chance.randint(1, most_bytes), time.monotonic() + TIMEOUT_SECONDS
        with self._started(words) as process:
            while process.poll() is None and time.monotonic() < end and _size(watched) < wanted:
                time.sleep(0.002)
            time.sleep(self._chance.uniform(0, LONGEST_MOMENT_SECONDS))
            process.kill()
        return self._lines(), process.returncode < 0

    def _started(self, words: Iterable[str]) -> subprocess.Popen[bytes]:
        with self.out.open("wb") as out:
            return subprocess.Popen([sys.executable, "-c", PROGRAM, "dlq", *words], cwd=self.folder, stdout=out)

    def _lines(self) -> list[Any]:
        # The last line may be incomplete.
        return [
            json.loads(line) for line in self.out.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")
        ]


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def dead_letter(intent: WriteIntent) -> Outgoing:
    """Make the dead letter of an intent, as the drain would."""
    fault = DataFault(Cause("ForeignKeyViolation", sqlstate="23503", table="things"))
    letter = DeadLetter.of(
        fault,
        kind=kind_of(intent),
        id=str(intent.intent_id),
        receive_count=1,
        first_seen=None,
        function_version="1",
    )
    return letter.stamp(Outgoing(encode_envelope(intent, id=intent.intent_id, source="/shop")))


def look_at(queue: SqsQueue) -> list[Received]:
    """Receive all visible messages of a queue, and make them visible again."""
    held: list[Received] = []
    while some := queue.receive(10, visibility_seconds=TIMEOUT_SECONDS):
        held += some
    assert not queue.change_visibility([(one.receipt_handle, 0) for one in held], timeout_seconds=TIMEOUT_SECONDS)
    return held


def ids_of(bodies: Iterable[str]) -> set[str]:
    """Return the ids of the intents in these bodies."""
    return {json.loads(body)["id"] for body in bodies}
