"""The pages of replays: the form, the progress, the request to stop; and the log of operations."""

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Self

from starlette.requests import Request
from starlette.responses import Response

from penstock.cli.console.pages import console_of, form_of, go_to, page, refuse
from penstock.cli.console.tasks import Task
from penstock.cli.operate.canary_replay import CanaryReplay, Progress
from penstock.cli.operate.causes import OTHER, selector_of, words_of
from penstock.deadletters import Plan, Selector
from penstock.expressions.jmespath import BadExpression

_DEFAULT_CANARY = 10
_CANARY = re.compile("[1-9][0-9]{0,4}")
_MOST_OPERATIONS = 100


@dataclass(frozen=True, slots=True)
class _Subject:
    """What a form replays.

    Attributes:
        selector: which dead letters.
        words: the same as options of the command.
        what: the same for people.
        back: the page that leads to the form.
        count: how many there are, if that is known.
        kinds: their kinds, if they are known.
    """

    selector: Selector
    words: list[str]
    what: str
    back: str
    count: int | None
    kinds: Collection[str] = ()


@dataclass(frozen=True, slots=True)
class _Wish:
    """The fields of the form."""

    canary: str
    rest: bool
    edit: str
    is_confirmed: bool

    @classmethod
    def of(cls, form: Mapping[str, str], count: int | None) -> Self:
        """Read the fields; those that are not given have their defaults."""
        canary = form.get("canary", "") or str(1 if count == 1 else _DEFAULT_CANARY)
        return cls(canary, form.get("rest") == "yes", form.get("edit", "").strip(), form.get("confirm") == "yes")

    @property
    def error(self) -> str:
        """Why nothing is sent; "" if nothing is wrong."""
        if not self.is_confirmed:
            return "Nothing was sent: tick the box to confirm."
        return (
            "" if _CANARY.fullmatch(self.canary) else "Nothing was sent: the canary is a number from 1 to 99,999."
        )

    @property
    def words(self) -> list[str]:
        """The same as options of the command."""
        limit = [] if self.rest else ["--limit", self.canary]
        return ["--canary", self.canary, *limit, *(["--edit", self.edit] if self.edit else [])]


def of_cause(request: Request) -> Response:
    """Show the form for a replay of a cause, or begin the replay once it is confirmed."""
    key = request.path_params["key"]
    selector = selector_of(key)
    if selector is None or not can_replay(key):
        return refuse(request, "No group to replay", "These dead letters have no cause that could select them.")
    survey = console_of(request).surveys.latest
    cause = survey.cause(key) if survey else None
    what = " ".join(filter(None, (cause.reason or "messages moved by SQS", cause.kind))) if cause else key
    kinds = [cause.kind] if cause and cause.kind else []
    subject = _Subject(selector, words_of(key), what, f"/causes/{key}", cause.count if cause else None, kinds)
    return _replay(request, subject)


def of_letter(request: Request) -> Response:
    """Show the form for a replay of one letter, or begin the replay once it is confirmed."""
    id_ = request.path_params["id"]
    subject = _Subject(Selector.of(ids=[id_]), ["--id", id_], f"the letter {id_}", f"/letters/{id_}", 1)
    return _replay(request, subject)


def can_replay(key: str) -> bool:
    """Return whether the dead letters of a cause can be replayed as a group: the drain takes no other messages."""
    return selector_of(key) is not None and key != OTHER


def show_all(request: Request) -> Response:
    """List what was begun in this console."""
    return page(request, "replays.html", tasks=console_of(request).tasks.all)


def show_one(request: Request) -> Response:
    """Show how far a replay is."""
    return _with_task(request, lambda task: page(request, "replay.html", task=task))


def part(request: Request) -> Response:
    """Show the part of it that changes; the answer without a page is the end of it."""

    def answer(task: Task) -> Response:
        if task.is_over:
            return Response(status_code=HTTPStatus.RESET_CONTENT)
        return page(request, "replay_part.html", task=task)

    return _with_task(request, answer)


def stop(request: Request) -> Response:
    """Ask a replay to stop."""

    def answer(task: Task) -> Response:
        task.stop()
        return go_to(f"/replays/{task.number}")

    return _with_task(request, answer)


def operations(request: Request) -> Response:
    """List the operations on record."""
    console = console_of(request)
    records = console.stage.operations(_MOST_OPERATIONS)
    return page(request, "operations.html", records=records, most=_MOST_OPERATIONS)


def _replay(request: Request, subject: _Subject) -> Response:
    console, form = console_of(request), form_of(request)
    wish = _Wish.of(form, subject.count)
    error = ""
    if form.get("do") == "replay":
        if not console.allow_changes:
            return refuse(request, "Read-only", "Start the console with --allow-changes to replay dead letters.")
        error = wish.error
        if not error:
            try:
                return _begin(request, subject, wish)
            except BadExpression as bad:
                error = f"Nothing was sent: {bad}"
    status = HTTPStatus.UNPROCESSABLE_ENTITY if error else HTTPStatus.OK
    command = console.command("dlq", "replay", *subject.words, *wish.words)
    drain = console.stage.drain_state(subject.kinds)
    shown = {"subject": subject, "wish": wish, "error": error, "drain": drain, "command_line": command}
    return page(request, "replay_form.html", status, **shown)


def _begin(request: Request, subject: _Subject, wish: _Wish) -> Response:
    """Begin a replay.

    Raises:
        penstock.expressions.jmespath.BadExpression: the edit is none.
    """
    console = console_of(request)
    plan = Plan(selector=subject.selector, edit=console.stage.edit(wish.edit) if wish.edit else None)
    options = {"edit": wish.edit} if wish.edit else {}
    wanted = CanaryReplay(plan, canary=int(wish.canary), rest=wish.rest, options=options)

    def work(task: Task) -> Progress:
        try:
            return console.stage.replay(wanted, on_progress=task.report, stopping=task.wait)
        finally:
            console.surveys.refresh()

    task = console.tasks.begin("replay", work, what=subject.what, back=subject.back, rest=wish.rest)
    if task is None:
        return refuse(request, "Busy", "Something else runs at the moment: see Replays.")
    return go_to(f"/replays/{task.number}")


def _with_task(request: Request, answer: Callable[[Task], Response]) -> Response:
    task = console_of(request).tasks.find(request.path_params["number"])
    if task is None:
        return refuse(request, "No such replay", "It was not begun in this console.", HTTPStatus.NOT_FOUND)
    return answer(task)
