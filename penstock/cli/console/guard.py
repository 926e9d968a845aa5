"""What stands before each page: the host, the session, the origin and the token of a form; and the headers.

A page on the Web cannot use the console: its requests have another origin, and a name that it points to
127.0.0.1 (DNS rebinding) is another host. Another user of this machine can reach the port, and has neither link
nor cookie.
"""

from html import escape
from typing import Final
from urllib.parse import parse_qsl, quote

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from penstock.cli.console.sessions import Sessions

ENTRY: Final = "/enter"
STATIC: Final = "/static/"
MAX_FORM_BYTES: Final = 2_000_000
"""An edit is shorter: SQS takes no message of more than 1 MiB."""

_MAX_FIELDS: Final = 50
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS: Final = {
    "content-security-policy": _POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    # `no-referrer` would also take the origin from the requests of our own forms.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}


class Guard:
    """Lets only requests of the operator's own browser through to the pages."""

    def __init__(self, app: ASGIApp, sessions: Sessions, port: int) -> None:
        """Take the application.

        Args:
            app: the pages.
            sessions: who may use them.
            port: the port on 127.0.0.1.
        """
        self._app = app
        self._sessions = sessions
        self._hosts = {f"127.0.0.1:{port}", f"localhost:{port}"}
        # Cookies do not tell ports apart: two consoles must not overwrite each other's.
        self._cookie = f"penstock-console-{port}"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or pass it on."""
        if scope["type"] != "http":
            return
        request = Request(scope, receive)
        answer = await self._answer(request)
        await (answer or self._app)(scope, receive, _with_headers(send))

    async def _answer(self, request: Request) -> Response | None:
        """Return the answer to a request that does not reach the pages."""
        if request.headers.get("host") not in self._hosts:
            return _page(421, "Wrong host", "This console answers to 127.0.0.1 and localhost only.")
        if request.url.path.startswith(STATIC):
            return None
        if request.url.path == ENTRY and request.method == "GET":
            return self._enter(request)
        session = self._sessions.find(request.cookies.get(self._cookie))
        if session is None:
            return _stranger(request)
        request.state.session = session
        request.state.form = {}
        return None if request.method in {"GET", "HEAD"} else await self._check_form(request)

    def _enter(self, request: Request) -> Response:
        """Exchange the token of a link for a cookie."""
        if request.headers.get("sec-purpose", request.headers.get("purpose")):
            return _page(403, "Not yet", "A browser that looks ahead does not use up the link.")
        secret = self._sessions.exchange(request.query_params.get("token", ""))
        if secret is None:
            return _page(
                403,
                "This link has been used",
                "A link works once. In the browser that used it, “Link for another browser” at the end of each "
                "page makes a new one. If that was not you, stop the console with Ctrl-C and start it again.",
            )
        # Not a redirect: a browser keeps back a strict cookie on a redirect that another site's page began.
        answer = _page(200, "Penstock", "Opening …", refresh="/")
        answer.set_cookie(self._cookie, secret, httponly=True, samesite="strict", path="/")
        return answer

    async def _check_form(self, request: Request) -> Response | None:
        """Check that a form comes from a page of this session, and read its fields."""
        origin, site = request.headers.get("origin"), request.headers.get("sec-fetch-site")
        own = origin == f"http://{request.headers['host']}" if origin else site in {None, "same-origin"}
        if request.method != "POST" or not own or site not in {None, "same-origin"}:
            return _page(403, "Refused", "This request does not come from a page of the console.")
        body = b""
        async for part in request.stream():
            body += part
            if len(body) > MAX_FORM_BYTES:
                return _page(413, "Too long", "The form is longer than any edit can be.")
        fields = _fields(body)
        if fields is None or not request.state.session.accepts(fields.pop("csrf", "")):
            return _page(403, "Refused", "This form is not of this session: open the page again.")
        request.state.form = fields
        return None


def _fields(body: bytes) -> dict[str, str] | None:
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MAX_FIELDS, errors="strict"))
    except ValueError:
        return None


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers[name] = value
        await send(message)

    return sending


def _stranger(request: Request) -> Response:
    """Answer a request without a session: a browser that follows a link of another site keeps the cookie back."""
    if request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site":
        # Two slashes at the beginning would name another host.
        path = "/" + quote(request.url.path.lstrip("/\\"))
        return _page(401, "Penstock", "A link on another site led here.", link=path)
    return _page(401, "Not signed in", "Open the link that <code>penstock console</code> printed.")


def _page(status: int, title: str, text: str, *, refresh: str = "", link: str = "") -> Response:
    """Return a page without anything of the stage on it; `text` is HTML."""
    head = f'<meta http-equiv="refresh" content="0; url={escape(refresh)}">' if refresh else ""
    more = f'<p><a href="{escape(link)}">Open {escape(link)}</a></p>' if link else ""
    return HTMLResponse(
        f'<!doctype html><html lang="en"><head><meta charset="utf-8">{head}<title>{title}</title>'
        f'<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="{STATIC}console.css">'
        f"</head><body><main><h1>{title}</h1><p>{text}</p>{more}</main></body></html>",
        status,
    )
