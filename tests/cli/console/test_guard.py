"""Who can reach a console: the operator's browser alone."""

from collections.abc import Iterator

import httpx
import pytest

from penstock.cli.console.guard import MAX_FORM_BYTES
from penstock.cli.console.state import Console
from penstock.testing.queue import MemoryQueue
from tests.support.console import Browser, client_of, console_on
from tests.support.operate import operated


@pytest.fixture(scope="module")
def console() -> Iterator[Console]:
    """A console without dead letters."""
    with console_on(operated(MemoryQueue(), MemoryQueue()), allow_changes=True) as console:
        yield console


@pytest.fixture
def stranger(console: Console) -> Iterator[httpx.Client]:
    """A client that has no session."""
    with client_of(console) as client:
        yield client


@pytest.fixture
def browser(console: Console) -> Iterator[Browser]:
    """A client that has one."""
    with client_of(console) as client:
        yield Browser(console, client)


def test_a_link_works_once(console: Console, stranger: httpx.Client) -> None:
    """The first request exchanges the token for a strict cookie that no script can read; the second is refused."""
    link = console.link()
    entered = stranger.get(link)
    assert entered.status_code == 200
    cookie = entered.headers["set-cookie"].lower()
    assert "httponly" in cookie
    assert "samesite=strict" in cookie
    assert stranger.get("/").status_code == 200
    with client_of(console) as other:
        again = other.get(link)
        assert (again.status_code, "set-cookie" in again.headers) == (403, False)
        assert other.get("/").status_code == 401


def test_a_browser_that_looks_ahead_does_not_use_up_a_link(console: Console, stranger: httpx.Client) -> None:
    """A prefetch is refused, and the link still works."""
    link = console.link()
    assert stranger.get(link, headers={"sec-purpose": "prefetch"}).status_code == 403
    assert stranger.get(link).status_code == 200


@pytest.mark.parametrize("path", ["/", "/now", "/causes", "/letters/x", "/operations", "/nothing", "/breaker"])
def test_nothing_is_shown_without_a_session(stranger: httpx.Client, path: str) -> None:
    """Without the cookie each page is a 401 that says nothing of the stage."""
    answer = stranger.get(path, headers={"cookie": "penstock-console-1=x"})
    assert answer.status_code == 401
    assert "shop" not in answer.text


def test_a_link_from_another_site_leads_on_by_a_click(stranger: httpx.Client) -> None:
    """A browser keeps a strict cookie back then: the answer has a link to the same page, and to no other host."""
    answer = stranger.get(
        "/", headers={"sec-fetch-site": "cross-site"}, extensions={"target": b"//evil.example/causes"}
    )
    assert answer.status_code == 401
    assert 'href="/evil.example/causes"' in answer.text


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost", "[::1]:{port}", ""])
@pytest.mark.parametrize("path", ["/", "/enter?token=x", "/static/console.css"])
def test_other_hosts_are_refused(browser: Browser, host: str, path: str) -> None:
    """A name that somebody points to 127.0.0.1 gets nothing, even with the cookie."""
    answer = browser.client.get(path, headers={"host": host.format(port=browser.console.port)})
    assert answer.status_code in {400, 421}


def test_localhost_is_the_same_host(browser: Browser) -> None:
    """The console answers to localhost, too."""
    assert browser.client.get("/", headers={"host": f"localhost:{browser.console.port}"}).status_code == 200


@pytest.mark.parametrize(
    ("headers", "form"),
    [
        ({"origin": "http://evil.example"}, {}),
        ({"origin": "null"}, {}),
        ({"origin": "http://127.0.0.1:1"}, {}),
        ({"sec-fetch-site": "cross-site"}, {}),
        ({"sec-fetch-site": "same-site"}, {}),
        ({}, {"csrf": "wrong"}),
        ({}, {"csrf": ""}),
        ({}, {"csrf": "ä"}),
    ],
)
def test_a_form_of_another_page_is_refused(
    browser: Browser, headers: dict[str, str], form: dict[str, str]
) -> None:
    """A change needs the origin of the console and the token of the session."""
    own = {"origin": f"http://127.0.0.1:{browser.console.port}"} if not headers else {}
    data = {"csrf": browser.csrf, "do": "open", "reason": "x", "confirm": "yes", **form}
    assert browser.client.post("/breaker", data=data, headers=own | headers).status_code == 403
    assert not browser.console.tasks.all


def test_a_token_of_another_session_is_refused(console: Console, browser: Browser) -> None:
    """The token of a form belongs to one session."""
    with client_of(console) as client:
        assert "not of this session" in Browser(console, client).post("/links", 403, csrf=browser.csrf)


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS"])
def test_other_methods_are_refused(browser: Browser, method: str) -> None:
    """A change is a POST."""
    assert browser.client.request(method, "/breaker").status_code == 403


def test_endless_and_broken_forms_are_refused(browser: Browser) -> None:
    """A form that no page sends is refused before it is read whole."""
    assert browser.post("/links", 413, reason="x" * (MAX_FORM_BYTES + 1))
    for body in (b"csrf=\xff", b"&".join(b"a=b" for _ in range(100))):
        assert browser.client.post("/links", content=body).status_code == 403


def test_each_answer_has_the_headers(browser: Browser) -> None:
    """No page is stored, framed, or may run a script or a style of its own, also if it is an error."""
    for path in ("/", "/nothing", "/operations", "/static/console.js", "/enter?token=x"):
        headers = browser.client.get(path).headers
        policy = headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert (headers["cache-control"], headers["x-frame-options"]) == ("no-store", "DENY")
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert "server" not in headers


def test_a_further_link_is_made_by_a_session(console: Console, browser: Browser) -> None:
    """A page makes a link for another browser, which works once."""
    text = browser.post("/links")
    token = text.split("token=")[1].split("<")[0]
    with client_of(console) as other:
        assert other.get(f"/enter?token={token}").status_code == 200
        assert other.get(f"/enter?token={token}").status_code == 403


def test_only_the_loopback_interface_is_bound(console: Console) -> None:
    """No other address of the machine reaches the console."""
    assert console.link().startswith("http://127.0.0.1:")
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"http://127.0.0.2:{console.port}/", trust_env=False)
