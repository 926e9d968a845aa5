"""`make demo`: start a stack, send a burst, wait until it is drained, show the account, and remove the stack."""

import sys
import time
from pathlib import Path
from statistics import median, quantiles

import boto3
from rich.console import Console
from rich.progress import track
from rich.table import Table

from demo.account import Account, take_account
from demo.connections import ConnectionMonitor
from demo.requests import CONCURRENCY, Answer, Request, make_burst, one_of_each, send
from penstock.local.aws import ACCESS_KEY
from penstock.local.errors import LocalError
from penstock.local.stack import LocalDeployment
from penstock.local.state import LocalState
from penstock.queue import Queue, QueueError, SqsQueue, sqs_client

PROJECT = Path(__file__).parent.parent
REQUESTS = 3000
REPEATED = 150
DRAIN_LIMIT_SECONDS = 60

_stderr = Console(stderr=True)
_stdout = Console()


def main() -> int:
    """Run the demo; return the exit code."""
    # A separate stack: the one that a developer works with is not touched.
    stack = LocalDeployment(PROJECT, PROJECT / ".penstock" / "demo")
    try:
        stack.reset()
        local = stack.up(lambda step: _stderr.print(f"[dim]{step}[/dim]"))
        return _run(local)
    except (LocalError, QueueError) as error:
        _stderr.print(f"[red]The demo cannot run:[/red] {error}")
        return 1
    finally:
        _stderr.print("[dim]stopping everything[/dim]")
        stack.reset()


def _run(local: LocalState) -> int:
    session = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=local.region)
    client = sqs_client(session, local.endpoint_url)
    queue = SqsQueue(local.queue_url, client)
    with ConnectionMonitor(local.database_url, local.service) as connections:
        answers = _send(local, one_of_each(), "starting every function")
        _wait_until_drained(queue)
        started = time.monotonic()
        answers += _send(local, make_burst(REQUESTS, REPEATED), f"sending, {CONCURRENCY} at a time")
        seconds = time.monotonic() - started
        _wait_until_drained(queue)
    account = take_account(answers, local.database_url, SqsQueue(local.dead_letter_queue_url, client))
    budget = _budget(session, local)
    _show(account, seconds, connections.most, budget)
    return _verdict(account, connections.most, budget)


def _send(local: LocalState, requests: list[Request], label: str) -> list[tuple[Request, Answer]]:
    answers = send(requests, local.api_url, dict(local.api_headers))
    return list(zip(requests, track(answers, label, total=len(requests), console=_stderr), strict=True))


def _wait_until_drained(queue: Queue) -> None:
    deadline = time.monotonic() + DRAIN_LIMIT_SECONDS
    with _stderr.status("draining the queue") as status:
        while (depth := queue.depth().total) and time.monotonic() < deadline:
            status.update(f"draining the queue: {depth:,} left")
            time.sleep(0.1)


def _budget(session: boto3.Session, local: LocalState) -> int:
    stacks = session.client("cloudformation", endpoint_url=local.endpoint_url)
    outputs = stacks.describe_stacks(StackName=f"{local.service}-local")["Stacks"][0]["Outputs"]
    return int(next(o["OutputValue"] for o in outputs if o["OutputKey"] == "ConnectionBudget"))


def _show(account: Account, seconds: float, most_connections: int, budget: int) -> None:
    table = Table(title="The account of the burst", show_header=False, min_width=60)
    rows: dict[str, str] = {
        "requests sent": f"{account.sent:,} in {seconds:.1f} s",
        "accepted (202)": f"{account.accepted:,}",
        "  of them repeated": f"{account.duplicates:,}",
        "intents emitted": f"{len(account.emitted):,}",
        "  applied": f"{account.count('applied'):,}",
        "  stale": f"{account.count('stale'):,}",
        "  dead": f"{account.count('dead'):,}",
        "  pending": f"{account.count('pending'):,}",
        "from 202 to the row": _spread(account.from_202),
        "from emit to the row": _spread(account.from_emit),
        "most connections at once": f"{most_connections} of a budget of {budget}",
    }
    for name, value in rows.items():
        table.add_row(name, value)
    for letter in account.dead_letters.values():
        table.add_row("dead letter", f"{letter.kind} {letter.detail}")
    _stdout.print(table)


def _spread(seconds: list[float]) -> str:
    return f"median {median(seconds):.2f} s, p99 {quantiles(seconds, n=100)[98]:.2f} s"


def _verdict(account: Account, most_connections: int, budget: int) -> int:
    errors = account.errors()
    if not 0 < most_connections <= budget:
        errors.append(f"the connections stay within the budget: {most_connections} of {budget}")
    for error in errors:
        _stdout.print(f"[bold red]does not hold:[/bold red] {error}")
    if not errors:
        _stdout.print("[bold green]The account adds up:[/bold green] emitted = applied + stale + dead + pending.")
    return 1 if errors else 0


if __name__ == "__main__":
    sys.exit(main())
