"""Drawing the pages: templates in which every text of a sender is escaped."""

from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response

from penstock.cli.console import shown
from penstock.cli.console.state import Console
from penstock.cli.status.verdict import judge
from penstock.cli.support.explanation import explain, redact
from penstock.cli.support.output import format_duration

_ENVIRONMENT: Final = Environment(
    loader=PackageLoader("penstock.cli.console"),
    autoescape=True,
    # Applied to the value of every expression, so that no template can forget it.
    finalize=shown.visible,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "ago": shown.ago,
    "clock": shown.clock,
    "duration": format_duration,
    "left": shown.left,
    "shape": shown.shape,
    "places": shown.places,
    "segment": lambda text: quote(text, safe=":"),
}


def console_of(request: Request) -> Console:
    """Return what the pages share."""
    console: Console = request.app.state.console
    return console


def form_of(request: Request) -> dict[str, str]:
    """Return the fields of a form, which the guard has checked."""
    form: dict[str, str] = request.state.form
    return form


def page(request: Request, template: str, status: int = HTTPStatus.OK, **values: Any) -> Response:
    """Draw a page."""
    console = console_of(request)
    latest = console.sampler.latest
    shared = {
        "console": console,
        "csrf": request.state.session.csrf_token,
        "path": request.url.path,
        "verdict": judge(latest) if latest else None,
    }
    return HTMLResponse(_ENVIRONMENT.get_template(template).render(shared | values), status)


def refuse(request: Request, title: str, text: str, status: int = HTTPStatus.CONFLICT) -> Response:
    """Draw a page that says why something was not done."""
    return page(request, "error.html", status, title=title, text=text)


def go_to(path: str) -> Response:
    """Lead the browser to another page after a form."""
    return RedirectResponse(path, HTTPStatus.SEE_OTHER)


def on_error(request: Request, error: Exception) -> Response:
    """Draw the page of an error, with the way out."""
    return refuse(request, "That did not work", redact(explain(error)[0]), HTTPStatus.BAD_GATEWAY)


def on_missing(request: Request, _: Exception) -> Response:
    """Draw the page of a path that does not exist."""
    return refuse(request, "No such page", "Nothing has this address.", HTTPStatus.NOT_FOUND)
