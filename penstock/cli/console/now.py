"""The page of the present state: the verdict, the figures over time, the breaker."""

from collections.abc import Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.cli.console.charts import Chart, draw
from penstock.cli.console.pages import console_of, form_of, go_to, page, refuse
from penstock.cli.console.state import Console
from penstock.cli.status.command import lines_of
from penstock.cli.status.figures import Figures
from penstock.cli.support.explanation import explain, redact
from penstock.consumer.breaker.event_source import CLOSED


def show(request: Request) -> Response:
    """Show the whole page."""
    return page(request, "now.html", **_state(console_of(request)))


def part(request: Request) -> Response:
    """Show the part of it that changes."""
    return page(request, "now_part.html", **_state(console_of(request)))


def change_breaker(request: Request) -> Response:
    """Turn the drain off or on."""
    console, form = console_of(request), form_of(request)
    reason = form.get("reason", "").strip()
    off = form.get("do") == "open"
    if not console.allow_changes:
        return refuse(request, "Read-only", "Start the console with --allow-changes to turn the drain off or on.")
    if form.get("confirm") != "yes" or (off and not reason):
        return refuse(
            request, "Not confirmed", "Nothing was done: tick the box, and give a reason to turn it off."
        )
    stage = console.stage
    title = "turning the drain off" if off else "turning the drain on"
    task = console.tasks.begin(title, lambda _: stage.open_breaker(reason) if off else stage.close_breaker())
    if task is None:
        return refuse(request, "Busy", "Something else runs at the moment: see Replays.")
    return go_to("/")


def _state(console: Console) -> dict[str, Any]:
    sampler = console.sampler
    snapshot, samples, error = sampler.latest, sampler.samples, sampler.error
    lines = lines_of(snapshot) if snapshot else {}
    breaker = lines.pop("breaker", "")
    return {
        "snapshot": snapshot,
        "charts": _charts(samples) if samples else [],
        "error": redact(explain(error)[0]) if error else "",
        "facts": lines,
        "breaker": breaker,
        "expiry": _expiry(console),
        "is_on": bool(snapshot and snapshot.breaker and snapshot.breaker.position == CLOSED),
        "task": next(iter(console.tasks.all), None),
    }


def _charts(samples: Sequence[Figures]) -> list[Chart]:
    return [
        draw("Settled", "/s", [("per second", lambda one: one.rate)], samples),
        draw("On the queue", "", [("messages", lambda one: one.depth)], samples),
        draw("Emit to commit", " s", [("p50", lambda one: one.p50), ("p99", lambda one: one.p99)], samples),
        draw("Dead letters", "", [("letters", lambda one: one.dead)], samples),
    ]


def _expiry(console: Console) -> dict[str, Any] | None:
    """Return when the first dead letter expires: by the newest scan, which is exact, or else by the ledger."""
    survey, snapshot = console.surveys.latest, console.sampler.latest
    if survey is not None and survey.causes:
        first = min(survey.causes, key=lambda cause: cause.expires_at)
        at, key = first.expires_at, first.key
    elif snapshot is not None and snapshot.first_expires_at is not None:
        at, key = snapshot.first_expires_at.timestamp(), None
    else:
        return None
    now = snapshot.at.timestamp() if snapshot else at
    share = min(max((at - now) / console.stage.retention_seconds, 0.0), 1.0)
    return {"at": at, "key": key, "percent": round(share * 100, 1), "level": _level(share)}


def _level(share: float) -> str:
    return "stopped" if share < 1 / 14 else "degraded" if share < 1 / 4 else "ok"
