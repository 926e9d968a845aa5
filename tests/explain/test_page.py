"""The page: it says all that is known, loads nothing, and runs nothing, whatever the names are."""

from html.parser import HTMLParser
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import Column, DateTime, Engine, ForeignKey, Integer, MetaData, Table, Text

from penstock import WriteIntent
from penstock.consumer import Drain, Upsert
from penstock.explain.page import page
from penstock.testing import MemoryQueue
from tests.support.explained import explained, hints_of
from tests.support.modes import at
from tests.support.schema_check import execute

SCRIPT = "<script>alert('x')</script>"
QUOTES = "\"'><img src=x onerror=alert(1)> & {{ 7 * 7 }} \\"
SECRET = "hunter2<script>"

metadata = MetaData(schema=f"a {SCRIPT}")
parents = Table(f"p {SCRIPT}", metadata, Column("id", Integer, primary_key=True))
hostile = Table(
    f"t {SCRIPT}",
    metadata,
    Column(QUOTES, Text, primary_key=True, key="name"),
    Column(SCRIPT, Integer, ForeignKey(parents.c.id), key="size"),
    Column("seen_at", DateTime(timezone=True)),
)


class Named(WriteIntent, kind="named"):
    name: str
    size: int | None = None
    seen_at: AwareDatetime


class Reader(HTMLParser):
    """Reads a page: its elements with their attributes, and its text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


def hostile_page(engine: Engine) -> str:
    """Return the page of a kind whose names and values are hostile, with a slow trigger and hints."""
    quote: Any = engine.dialect.identifier_preparer.quote_identifier
    schema, table = quote(f"a {SCRIPT}"), quote(hostile.name)
    execute(engine, f"CREATE SCHEMA {schema}")
    metadata.create_all(engine)
    execute(
        engine,
        f"CREATE FUNCTION {schema}.slow() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN PERFORM pg_sleep(0.02); RETURN NEW; END'",
        f"CREATE TRIGGER {quote(SCRIPT)} AFTER INSERT ON {schema}.{table} FOR EACH ROW"
        f" EXECUTE FUNCTION {schema}.slow()",
    )
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Named, Upsert(hostile, key="name", version="seen_at"))
    found = explained(drain, engine, *(Named(name=f"{SECRET}{n}", seen_at=at(n)) for n in range(3)))
    found.hints = hints_of(drain, engine, found)
    assert {hint.rule for hint in found.hints} == {"trigger-share", "foreign-key-index"}
    assert SECRET not in repr(found)
    return page(found)


def test_hostile_names_run_nothing(engine: Engine) -> None:
    """The only elements are the page's own: no script, no picture, no link, no handler; names are text."""
    html = hostile_page(engine)
    read = Reader(html)
    tags = {tag for tag, _ in read.elements}
    assert tags <= {
        *("html", "head", "meta", "title", "style", "body", "h1", "h2", "p", "div", "code", "pre", "details"),
        *("summary", "ul", "li", "strong", "span", "i", "table", "tr", "td", "tbody"),
    }
    attributes = {name for _, given in read.elements for name in given}
    assert attributes <= {"lang", "charset", "http-equiv", "content", "name", "class", "style"}
    styles = {given.get("style") for _, given in read.elements} - {None, "margin: 0"}
    assert all(
        style and style.removeprefix("width: ").removesuffix("%").replace(".", "").isdigit() for style in styles
    )
    assert "<script" not in html
    assert read.text.count(SCRIPT) > 5
    assert QUOTES in read.text
    assert "49" not in read.text.partition(QUOTES)[0][-20:]


def test_the_page_refuses_scripts_and_requests_itself(engine: Engine) -> None:
    """Its own policy allows nothing but its style, and it names no address."""
    html = hostile_page(engine)
    policy = next(
        given["content"] for tag, given in Reader(html).elements if given.get("http-equiv") and tag == "meta"
    )
    assert policy == "default-src 'none'; style-src 'unsafe-inline'"
    assert "://" not in html
    assert "url(" not in html
    assert "@import" not in html


def test_the_page_says_all(engine: Engine) -> None:
    """The page has each statement, each node with its numbers, the triggers and the hints; and no payload."""
    text = Reader(hostile_page(engine)).text
    for part in (
        "3 intents",
        "INSERT INTO penstock.ledger",
        "Insert on penstock.ledger",
        "3 inserted, 0 in conflict",
        f"trigger {SCRIPT}",
        "CREATE INDEX CONCURRENTLY ON",
        "penstock's own tables",
    ):
        assert part in text, part
    assert "hunter2" not in text
