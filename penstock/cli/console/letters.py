"""The page of one dead letter: its details, its payload on demand, an edit before and after, a trial."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from penstock.cli.console.pages import console_of, form_of, page, refuse
from penstock.cli.console.shown import MAX_SHOWN, cut, diff, pretty
from penstock.cli.operate.causes import key_of_letter
from penstock.cli.operate.letters import Letter
from penstock.consumer.dry_run import DryRunResult
from penstock.deadletters.edit.errors import EditRefused
from penstock.expressions.jmespath import BadExpression


@dataclass(frozen=True, slots=True)
class Edited:
    """An edit of a letter.

    Attributes:
        text: the edit.
        error: why it cannot be applied; "" if it can.
        lines: the lines before and after, as `shown.diff` returns them; None if there are too many.
        body: the body after it; None if it cannot be applied.
    """

    text: str
    error: str = ""
    lines: list[tuple[str, str]] | None = None
    body: str | None = None


def show(request: Request) -> Response:
    """Show a letter, with types in place of the values of its payload."""
    return _letter(request)


def reveal(request: Request) -> Response:
    """Show a letter with its payload."""
    return _letter(request, revealed=True)


def try_letter(request: Request) -> Response:
    """Show what the drain would do with a letter now."""
    letter = _find(request)
    if letter is None:
        return _missing(request)
    (result,) = console_of(request).stage.try_bodies([letter.body])
    return _letter(request, letter, before=result)


def edit(request: Request) -> Response:
    """Show a letter before and after an edit, and on demand what the drain would do with each."""
    letter, form = _find(request), form_of(request)
    if letter is None:
        return _missing(request)
    edited = _apply(request, letter, form.get("edit", ""))
    if form.get("do") != "try" or edited.body is None:
        return _letter(request, letter, edited=edited)
    stage = console_of(request).stage
    # Each in a transaction of its own: both have one id, and the second would be a duplicate of the first.
    before, after = stage.try_bodies([letter.body])[0], stage.try_bodies([edited.body])[0]
    return _letter(request, letter, edited=edited, before=before, after=after)


def _apply(request: Request, letter: Letter, text: str) -> Edited:
    try:
        body = console_of(request).stage.edit(text)(letter.body)
    except (BadExpression, EditRefused) as error:
        return Edited(text, str(error))
    return Edited(text, lines=diff(pretty(letter.body), pretty(body)), body=body)


def _find(request: Request) -> Letter | None:
    """Find a letter among those that were read, or else on the queue."""
    console, id_ = console_of(request), request.path_params["id"]
    survey = console.surveys.latest
    kept = (one for letters in survey.letters.values() for one in letters) if survey else ()
    return next((one for one in kept if id_ in {one.message_id, one.id}), None) or console.stage.letter(id_)


def _missing(request: Request) -> Response:
    id_ = request.path_params["id"]
    command = console_of(request).command("ledger", "show", id_)
    text = (
        f"No dead letter has the id {id_} now. It may have been replayed or purged: "
        f"`{command}` says what became of an intent."
    )
    return refuse(request, "No such dead letter", text, HTTPStatus.NOT_FOUND)


def _letter(
    request: Request,
    letter: Letter | None = None,
    *,
    revealed: bool = False,
    edited: Edited | None = None,
    before: DryRunResult | None = None,
    after: DryRunResult | None = None,
) -> Response:
    console = console_of(request)
    letter = letter or _find(request)
    if letter is None:
        return _missing(request)
    text = pretty(letter.body) if revealed else pretty(json.dumps(letter.shape))
    values: dict[str, Any] = {
        "letter": letter,
        "revealed": revealed,
        "edited": edited,
        "before": before,
        "after": after,
    }
    return page(
        request,
        "letter.html",
        key=key_of_letter(letter),
        body=cut(text),
        is_cut=len(text) > MAX_SHOWN,
        show_command=console.command("dlq", "show", letter.message_id),
        replay_command=console.command("dlq", "replay", "--id", letter.message_id),
        **values,
    )
