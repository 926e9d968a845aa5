"""A console on a stage in memory, with dead letters of several causes."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx

from penstock.cli.console.sampler import Sampler
from penstock.cli.console.server import listen, running
from penstock.cli.console.state import Console
from penstock.cli.operate.stage import OperatedStage
from penstock.cli.status.snapshot import CLOUDWATCH, Snapshot
from penstock.cli.support.options import Target
from penstock.consumer.breaker.manual import BreakerStatus
from penstock.database.ledger_stats import LedgerStats
from penstock.queue import Depth

AT = datetime(2026, 11, 20, 3, 0, tzinfo=UTC)


def snapshot(**changed: Any) -> Snapshot:
    """Return a snapshot of a service that is well."""
    figures = LedgerStats(
        applied=600,
        stale=3,
        dead=2,
        p50_seconds=0.31,
        p99_seconds=1.7,
        slowest_seconds=2.0,
        pending=0,
        waiting=(),
        dead_in_all=0,
        first_dead_at=None,
        causes=(),
        connections=5,
    )
    well = Snapshot(
        at=AT,
        stack="shop-production",
        queue=Depth(visible=120, in_flight=30, delayed=0),
        oldest_seconds=4.0,
        oldest_source=CLOUDWATCH,
        dead_letters=Depth(visible=0, in_flight=0, delayed=0),
        retention=timedelta(days=14),
        figures=figures,
        breaker=BreakerStatus("closed", None, None, "Enabled"),
        budget=12,
        swept_in_seconds=None,
        errors={},
    )
    return replace(well, **changed)


@contextmanager
def console_on(stage: OperatedStage, *, allow_changes: bool = False, **changed: Any) -> Iterator[Console]:
    """Serve a console with one sample, on a port of its own."""
    sampler = Sampler(snapshot)
    sampler.add(snapshot(**changed))
    target = Target("production", None, None, None, None)
    with listen(0) as listener:
        console = Console(stage, "shop-production", target, sampler, allow_changes, listener.getsockname()[1])
        with running(console, listener):
            yield console


class Browser:
    """A client of a console that has used its link."""

    def __init__(self, console: Console, client: httpx.Client) -> None:
        self.console = console
        self.client = client
        entered = client.get(console.link())
        assert entered.status_code == 200
        session = console.sessions.find(entered.cookies[f"penstock-console-{console.port}"])
        assert session
        self.csrf = session.csrf_token

    def get(self, path: str, status: int = 200) -> str:
        """Return the text of a page without the token of its forms, whose random letters can be any text."""
        answer = self.client.get(path)
        assert answer.status_code == status, answer.text
        return answer.text.replace(self.csrf, "")

    def post(self, path: str, status: int = 200, **form: str) -> str:
        """Send a form as a page does, and return the text of the page after it."""
        headers = {"origin": str(self.client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
        answer = self.client.post(path, data={"csrf": self.csrf, **form}, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.text

    def read(self) -> None:
        """Read the dead letters, and wait for the end."""
        self.console.surveys.refresh()
        reading = self.console.surveys.reading
        if reading:
            reading.join(20)

    @property
    def first_key(self) -> str:
        """The key of the first cause."""
        assert self.console.surveys.latest
        return self.console.surveys.latest.causes[0].key


@contextmanager
def client_of(console: Console) -> Iterator[httpx.Client]:
    """Give an HTTP client of a console."""
    url = f"http://127.0.0.1:{console.port}"
    with httpx.Client(base_url=url, follow_redirects=True, trust_env=False, timeout=20) as client:
        yield client


@contextmanager
def browser_on(stage: OperatedStage, *, allow_changes: bool = False, **changed: Any) -> Iterator[Browser]:
    """Serve a console, and open it in a browser."""
    with console_on(stage, allow_changes=allow_changes, **changed) as console, client_of(console) as client:
        yield Browser(console, client)
