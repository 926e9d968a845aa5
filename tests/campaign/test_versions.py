"""An upgrade and a rollback of the deployed drain, behind an alias, while intents are emitted; on the local AWS.

SHIFT_SECONDS is how long each version is live, 20 by default.
"""

import io
import os
import sys
import threading
import time
import uuid
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import boto3
import psycopg
import pytest

from penstock import UtcDatetime, WriteIntent
from penstock.audit.audit import AuditFinding, audit
from penstock.audit.ledger_reader import read_database
from penstock.database import make_engine
from penstock.database.watchdog import Watchdog
from penstock.local.aws import ACCESS_KEY
from penstock.local.processes import wait_until
from penstock.local.stack import LocalDeployment
from penstock.local.state import LocalState
from penstock.producer import Producer
from penstock.queue import SqsQueue, sqs_client
from penstock.settings import Settings
from tests.support.deployed import aws
from tests.support.project import ROOT

SHIFT_SECONDS = float(os.environ.get("SHIFT_SECONDS", "20"))
# What was handed back four times comes again after two minutes.
LATEST_SECONDS = 300
DAY = datetime(2026, 11, 20, tzinfo=UTC)

UPGRADER = "\n\n@PageViewed.upgrader(1)\ndef _(data):\n    return data\n"
PAGE_LEFT = '\n\nclass PageLeft(WriteIntent, kind="page.left"):\n    path: Text\n'
EXITS = (
    'page_exits = Table("page_exits", metadata, Column("intent_id", Uuid, primary_key=True), Column("path", Text))'
)
CHANGES = {
    "shared/intents.py": [
        (
            'class PageViewed(WriteIntent, kind="page.viewed"):',
            'class PageViewed(WriteIntent, kind="page.viewed", version=2):',
        ),
        (
            "    referrer: Text | None = None\n",
            "    referrer: Text | None = None\n    device: Text | None = None\n",
        ),
        ("\n\nclass OrderPlaced(", f"{UPGRADER}{PAGE_LEFT}\n\nclass OrderPlaced("),
    ],
    "consumer/tables.py": [
        ('    Column("referrer", Text),\n', '    Column("referrer", Text),\n    Column("device", Text),\n'),
        ("\n# Two groups", f"\n{EXITS}\n\n# Two groups"),
    ],
    "consumer/writes.py": [
        ("orders, page_views", "orders, page_exits, page_views"),
        ("PageViewed, StockAdjusted", "PageLeft, PageViewed, StockAdjusted"),
        ("drain.write(PageViewed,", "drain.write(PageLeft, Append(page_exits))\ndrain.write(PageViewed,"),
    ],
}
"""The next version of the shop: a field more, in another version of its kind, and a kind more."""

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(6 * SHIFT_SECONDS + LATEST_SECONDS + 180)]


class OldView(WriteIntent, kind="page.viewed"):
    path: str
    visitor: uuid.UUID
    viewed_at: UtcDatetime


class NewView(WriteIntent, kind="page.viewed", version=2):
    path: str
    visitor: uuid.UUID
    viewed_at: UtcDatetime
    device: str | None = None


class PageLeft(WriteIntent, kind="page.left"):
    path: str


def old() -> list[WriteIntent]:
    return [OldView(path="/", visitor=uuid.uuid4(), viewed_at=DAY)]


def new() -> list[WriteIntent]:
    return [NewView(path="/", visitor=uuid.uuid4(), viewed_at=DAY, device="phone"), PageLeft(path="/")]


class Deployment:
    """The deployed service, with its drain behind an alias, in two versions; and a producer."""

    def __init__(self, live: LocalState, main: SqsQueue, dead: SqsQueue) -> None:
        self.live, self.main, self.dead = live, main, dead
        self.ids: list[uuid.UUID] = []
        self._lambda = aws(live, "lambda")
        self._name = f"{live.service}-local-drain"
        self._producer = Producer(Settings(source="/shop", receipt_key="key"), main)
        (mapping,) = self._lambda.list_event_source_mappings(FunctionName=self._name)["EventSourceMappings"]
        self.old = self._lambda.publish_version(FunctionName=self._name)["Version"]
        self._lambda.create_alias(FunctionName=self._name, Name="live", FunctionVersion=self.old)
        alias = f"{self._name}:live"
        self._lambda.update_event_source_mapping(UUID=mapping["UUID"], FunctionName=alias)
        self._lambda.update_function_code(FunctionName=self._name, ZipFile=next_version())
        self.new = self._lambda.publish_version(FunctionName=self._name)["Version"]

    def serve(self, version: str, emit: Callable[[], list[WriteIntent]], seconds: float = SHIFT_SECONDS) -> None:
        """Point the alias at a version, and emit for some seconds."""
        self._lambda.update_alias(FunctionName=self._name, Name="live", FunctionVersion=version)
        pace, end = threading.Event(), time.monotonic() + seconds
        while time.monotonic() < end:
            self.ids += [receipt.id for receipt in self._producer.emit_many(emit())]
            pace.wait(0.1)

    def outcomes(self) -> Counter[str]:
        """Return the outcomes of what was emitted."""
        with psycopg.connect(self.live.database_url) as connection:
            query = "SELECT id, outcome FROM penstock.ledger"
            known: dict[uuid.UUID, str] = dict(connection.execute(query).fetchall())
        return Counter(known.get(id_, "pending") for id_ in self.ids)


def next_version() -> bytes:
    """Return the artifact of the next version: that of this one, with the changes."""
    made = io.BytesIO()
    with zipfile.ZipFile(ROOT / "build/local/consumer.zip") as built, zipfile.ZipFile(made, "w") as archive:
        for name in built.namelist():
            content = built.read(name)
            for before, after in CHANGES.get(name, ()):
                assert content.count(before.encode()) == 1, (name, before)
                content = content.replace(before.encode(), after.encode())
            archive.writestr(name, content)
    return made.getvalue()


@pytest.fixture
def deployment(tmp_path: Path) -> Iterator[Deployment]:
    """Deploy the service to its own local stack, with the tables of the next version."""
    stack = LocalDeployment(ROOT, tmp_path)
    try:
        live = stack.up()
        with psycopg.connect(live.database_url) as connection:
            connection.execute("ALTER TABLE page_views ADD device text")
            connection.execute("CREATE TABLE page_exits (intent_id uuid PRIMARY KEY, path text)")
        session = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=live.region)
        with closing(sqs_client(session, live.endpoint_url)) as client:
            yield Deployment(live, SqsQueue(live.queue_url, client), SqsQueue(live.dead_letter_queue_url, client))
    finally:
        stack.reset()


def test_upgrade_and_rollback_under_load(deployment: Deployment, capsys: pytest.CaptureFixture[str]) -> None:
    """Consumer first, producers first and a rollback: each intent that was acknowledged takes effect once."""
    deployment.serve(deployment.old, old)
    deployment.serve(deployment.new, old)
    deployment.serve(deployment.new, new)
    # The drain goes back alone, as after an alarm: what it does not know waits.
    deployment.serve(deployment.old, new)
    waiting = deployment.outcomes()["pending"]
    assert waiting > 0
    deployment.serve(deployment.new, new)
    emitted = len(deployment.ids)
    assert wait_until(lambda: deployment.outcomes() == {"applied": emitted}, LATEST_SECONDS), deployment.outcomes()
    findings: list[AuditFinding] = []
    engine = make_engine(deployment.live.database_url)
    account = audit(
        lambda: read_database(Watchdog(engine)),
        deployment.main,
        deployment.dead,
        since=datetime.now(UTC) - timedelta(days=1),
        retention=timedelta(days=14),
        ids=deployment.ids,
        on_finding=findings.append,
    )
    engine.dispose()
    assert (findings, account.emitted, account.counts) == ([], emitted, {"applied": emitted})
    with psycopg.connect(deployment.live.database_url) as connection:
        query = "SELECT (SELECT count(*) FROM page_views) + (SELECT count(*) FROM page_exits)"
        assert connection.execute(query).fetchone() == (emitted,)
    with capsys.disabled():
        sys.stdout.write(
            f"\n{emitted} emitted = {emitted} applied; {waiting} of them waited for the next version\n"
        )
