"""The database is down for minutes while requests continue, on a real deployment on this machine.

OUTAGE_SECONDS is the duration, 300 by default.
"""

import os
import sys
import threading
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import httpx
import psycopg
import pytest

from penstock.local.aws import ACCESS_KEY
from penstock.local.processes import wait_until
from penstock.local.stack import LocalDeployment
from penstock.local.state import LocalState
from penstock.queue import SqsQueue, sqs_client
from tests.support.project import ROOT

OUTAGE_SECONDS = float(os.environ.get("OUTAGE_SECONDS", "300"))
REQUESTS_PER_SECOND = 5
# Two for each drain that may run at once: when the database stops, and once more before the mapping is disabled.
A_HANDFUL = 10
# The probe runs every minute, and messages that were handed back are delivered later than others.
RECOVERY_SECONDS = 240

pytestmark = [pytest.mark.campaign, pytest.mark.timeout(OUTAGE_SECONDS + RECOVERY_SECONDS + 180)]


@pytest.fixture
def stack(tmp_path: Path) -> Iterator[LocalDeployment]:
    """Deploy the service to its own local stack."""
    stack = LocalDeployment(ROOT, tmp_path)
    try:
        yield stack
    finally:
        stack.reset()


class Traffic:
    """Page views at a steady rate, with the status of each answer."""

    def __init__(self, live: LocalState) -> None:
        self.path = f"/{uuid.uuid4()}"
        self.statuses: list[int] = []
        self._live = live
        self._pace = threading.Event()

    def send_for(self, seconds: float) -> None:
        """Send requests until the time is over."""
        headers, end = dict(self._live.api_headers), time.monotonic() + seconds
        with httpx.Client(base_url=self._live.api_url, headers=headers, timeout=30, trust_env=False) as api:
            while time.monotonic() < end:
                view = {"path": self.path, "visitor": str(uuid.uuid4()), "viewed_at": "2026-11-20T10:00:00Z"}
                self.statuses.append(api.post("/page-views", json=view).status_code)
                self._pace.wait(1 / REQUESTS_PER_SECOND)

    @property
    def rows(self) -> int:
        """The number of these page views in the table."""
        with psycopg.connect(self._live.database_url) as connection:
            found = connection.execute("SELECT count(*) FROM page_views WHERE path = %s", [self.path]).fetchone()
        return found[0] if found else 0


def aws(live: LocalState) -> boto3.Session:
    return boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=live.region)


def lines(live: LocalState, function: str, since: float, words: str) -> int:
    """Count the lines in the log of a function that contain certain words."""
    logs = aws(live).client("logs", endpoint_url=live.endpoint_url)
    pages: Any = logs.get_paginator("filter_log_events").paginate(
        logGroupName=f"/aws/lambda/{live.service}-local-{function}", startTime=int(since * 1000)
    )
    return sum(words in event["message"] for page in pages for event in page["events"])


def test_an_outage_loses_nothing_and_burns_nothing(
    stack: LocalDeployment, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every request is kept, nothing is dead-lettered, the drain is off meanwhile, and later all is applied."""
    live = stack.up()
    before, during = Traffic(live), Traffic(live)
    before.send_for(1)
    assert wait_until(lambda: before.rows == len(before.statuses), 30)
    stack.postgres.stop()
    away_since = time.time()
    during.send_for(OUTAGE_SECONDS)
    invocations = lines(live, "drain", away_since, "START RequestId")
    probed = lines(live, "probe", away_since, "breaker open")
    stack.postgres.start()
    back_since = time.monotonic()
    assert wait_until(lambda: during.rows == len(during.statuses), RECOVERY_SECONDS)
    recovery = time.monotonic() - back_since
    dead = SqsQueue(live.dead_letter_queue_url, sqs_client(aws(live), live.endpoint_url)).depth().total
    with capsys.disabled():
        sys.stdout.write(
            f"\ndown for {OUTAGE_SECONDS:.0f} s: {len(during.statuses)} requests kept,"
            f" {invocations} drain invocations, found open by {probed} probes,"
            f" {dead} dead letters; all applied {recovery:.0f} s after\n"
        )
    assert {*before.statuses, *during.statuses} == {202}
    assert dead == 0
    assert 1 <= invocations <= A_HANDFUL
    assert settled(live) == {"applied": len(before.statuses) + len(during.statuses)}


def settled(live: LocalState) -> dict[str, int]:
    """Return how many intents have each outcome in the ledger."""
    with psycopg.connect(live.database_url) as connection:
        return dict(
            connection.execute("SELECT outcome, count(*) FROM penstock.ledger GROUP BY outcome").fetchall()
        )
