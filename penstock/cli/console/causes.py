"""The pages of the causes of dead letters, and of the letters of one cause."""

from http import HTTPStatus

from starlette.requests import Request
from starlette.responses import Response

from penstock.cli.console.pages import console_of, form_of, go_to, page
from penstock.cli.console.replays import can_replay
from penstock.cli.operate.causes import Survey, words_of
from penstock.cli.operate.letters import Letter
from penstock.consumer.dry_run import DryRunResult

MOST_CAUSES = 200
"""So many causes are listed."""


def show_all(request: Request) -> Response:
    """List the causes, and begin to read them if nothing was read yet."""
    console = console_of(request)
    reading, survey = console.surveys.look()
    shown = survey.causes[:MOST_CAUSES] if survey else []
    return page(request, "causes.html", reading=reading, survey=survey, shown=shown)


def read_again(request: Request) -> Response:
    """Scan the dead letters again."""
    console_of(request).surveys.refresh()
    return go_to(
        form_of(request).get("back", "/causes") if _is_own(form_of(request).get("back", "")) else "/causes"
    )


def reading(request: Request) -> Response:
    """Show how far a scan is; the answer without a page is the end of it."""
    task = console_of(request).surveys.reading
    if task is None or task.error:
        return Response(status_code=HTTPStatus.RESET_CONTENT)
    return page(request, "reading.html", reading=task)


def show_one(request: Request) -> Response:
    """Show a cause and its letters."""
    return _cause(request, {})


def try_letters(request: Request) -> Response:
    """Show what the drain would do with the letters of a cause now."""
    console, key = console_of(request), request.path_params["key"]
    letters = _letters(console.surveys.latest, key)
    results = console.stage.try_bodies([letter.body for letter in letters])
    outcomes = dict(zip((letter.message_id for letter in letters), results, strict=True))
    return _cause(request, outcomes)


def _cause(request: Request, outcomes: dict[str, DryRunResult]) -> Response:
    console, key = console_of(request), request.path_params["key"]
    reading, survey = console.surveys.look()
    cause = survey.cause(key) if survey else None
    words = words_of(key)
    return page(
        request,
        "cause.html",
        HTTPStatus.OK if cause or survey is None else HTTPStatus.NOT_FOUND,
        key=key,
        cause=cause,
        reading=reading,
        survey=survey,
        letters=_letters(survey, key),
        outcomes=outcomes,
        can_replay=can_replay(key),
        list_command=console.command("dlq", "list", *words),
        replay_command=console.command("dlq", "replay", *words, "--canary", "10"),
        note=console.note(cause) if cause else "",
    )


def _letters(survey: Survey | None, key: str) -> list[Letter]:
    return list(survey.letters.get(key, ())) if survey else []


def _is_own(path: str) -> bool:
    return path.startswith("/causes")
