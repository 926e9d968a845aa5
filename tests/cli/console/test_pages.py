"""The pages of a console: what they show, and what they keep to themselves."""

import json
from collections.abc import Callable, Iterator
from threading import Event
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import Engine

from penstock.cli.console.sampler import Sampler
from penstock.cli.console.tasks import Surveys
from penstock.cli.operate.causes import Survey
from penstock.cli.operate.stage import OperatedStage
from penstock.consumer.breaker.manual import BreakerStatus
from penstock.consumer.dry_run import DryRunOutcome, DryRunResult
from penstock.consumer.faults.tree import DataFault
from penstock.deadletters.edit.edit import Edit
from penstock.queue import Attribute, Depth, Outgoing
from penstock.testing.queue import MemoryQueue
from tests.support.console import Browser, browser_on, snapshot
from tests.support.dlq import FOREIGN, moved_by_sqs
from tests.support.operate import CHECK, NULL, dead_letter, operated

HOSTILE = "<script>alert(1)</script>\"'&\x1b[2J\u202egnp.exe\u2066\x00"


def stage_with(*messages: Outgoing, **parts: Any) -> OperatedStage:
    dead = MemoryQueue()
    for message in messages:
        assert dead.send([message]) == {}
    return operated(dead, MemoryQueue(dead.clock), **parts)


def stage_of_causes() -> OperatedStage:
    checks = [dead_letter(number) for number in range(12)]
    return stage_with(*checks, dead_letter(20, NULL, "email.requested"), moved_by_sqs(21), FOREIGN)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A read-only console on some dead letters, which are read."""
    with browser_on(stage_of_causes(), dead_letters=Depth(15, 0, 0)) as browser:
        browser.read()
        yield browser


def test_the_state_of_now(browser: Browser) -> None:
    """The first page has the verdict with its reason and next command, the charts in words, and the breaker."""
    text = browser.get("/")
    for part in (
        "DEGRADED",
        "there are dead letters: about 15",
        "penstock dlq stats --stage production",
        'aria-label="Emit to commit: p50 0.31 s, p99 1.7 s; at most 1.7 s in the last 5 minutes"',
        "5 of a budget of 12",
        "penstock breaker open --reason",
        "% of the retention is left",
    ):
        assert part in text
    assert "<html" not in browser.get("/now")


def test_the_state_of_a_stopped_service() -> None:
    """An open breaker is STOPPED with who opened it, and nothing expires without dead letters."""
    breaker = BreakerStatus("open", "operator", "user/bob index build", "Disabled")
    with browser_on(stage_with(), breaker=breaker) as browser:
        text = browser.get("/")
        assert "STOPPED" in text
        assert "user/bob index build" in text
        assert "nothing expires" in text
        assert "penstock breaker close --stage production" in text


def test_parts_that_cannot_be_read_are_named() -> None:
    """A stage whose parts cannot be read still has a page, with the reasons."""
    unknown: dict[str, Any] = {"queue": None, "figures": None, "breaker": None, "dead_letters": None}
    with browser_on(stage_with(), **unknown, errors={"database": "connection refused"}) as browser:
        text = browser.get("/")
        assert "database cannot be read: connection refused" in text
        assert text.count("not known: connection refused") == 4
        assert "not known: unknown" in text


def test_a_failed_sample_is_said(browser: Browser) -> None:
    """If the newest figures cannot be read, the page says so without a password and keeps the older ones."""
    browser.console.sampler.error = ValueError("postgresql://u:hunter2@h/x is away")
    text = browser.get("/now")
    browser.console.sampler.error = None
    assert "could not be read" in text
    assert "hunter2" not in text
    assert "DEGRADED" in text


def test_the_causes(browser: Browser) -> None:
    """Each cause has its count, its names and its own address; messages that cannot be parsed are listed."""
    text = browser.get("/causes")
    assert "15 dead letters, 4 causes" in text
    assert f'href="/causes/{browser.first_key}"' in text
    assert "constraint stock_quantity_check, table stock" in text
    assert 'href="/causes/sqs:order.placed"' in text
    assert "Not an intent" in browser.get("/causes/other")
    assert "Moved by SQS" in browser.get("/causes/sqs:order.placed")


def test_a_scan_that_ends_while_a_page_is_made() -> None:
    """A page that is made while a scan ends has its result, or follows the scan: never neither."""
    end = Event()

    def read(on_page: Callable[[int], None]) -> Survey:
        assert end.wait(20)
        return stage.survey(1, on_page)

    class Ending(Surveys):
        """Its scan ends when its result was asked for."""

        @property
        def latest(self) -> Survey | None:
            known = self._known
            if self._task:
                end.set()
                self._task.join(20)
            return known

        @latest.setter
        def latest(self, survey: Survey | None) -> None:
            self._known = survey

    stage = stage_with(dead_letter(1))
    with browser_on(stage) as browser:
        vars(browser.console)["surveys"] = Ending(read)
        assert 'data-live="/causes/reading"' in browser.get("/causes")
        assert "1 dead letter, 1 cause" in browser.get("/causes")


def test_a_cause_and_its_letters(browser: Browser) -> None:
    """A cause lists its letters without a value of them, the commands, and a note for an incident."""
    text = browser.get(f"/causes/{browser.first_key}")
    assert text.count("/reveal") == 12
    assert "{sku: text of 2, delta: number}" in text
    assert "A1" not in text
    assert f"penstock dlq list --fingerprint {browser.first_key} --stage production" in text
    assert f"penstock console --stage production, then /causes/{browser.first_key}" in text


def test_a_cause_that_is_gone(browser: Browser) -> None:
    """A permanent link to a cause whose letters are gone says so."""
    assert "No dead letter has this cause now" in browser.get("/causes/0123456789ab", 404)


def test_a_letter_is_revealed_on_demand(browser: Browser) -> None:
    """A letter shows types in place of values until its button is pressed; a reload hides them again."""
    letters = browser.console.surveys.latest
    assert letters
    path = f"/letters/{letters.letters[browser.first_key][0].message_id}"
    hidden = browser.get(path)
    assert "A1" not in hidden
    assert "&#34;delta&#34;: &#34;number&#34;" in hidden
    assert "stock_quantity_check" in hidden
    assert "&#34;sku&#34;: &#34;A1&#34;" in browser.post(f"{path}/reveal")
    assert "A1" not in browser.get(path)


def test_a_letter_that_is_gone(browser: Browser) -> None:
    """An id without a dead letter says where to look."""
    assert "penstock ledger show nothing --stage production" in browser.get("/letters/nothing", 404)


def test_a_letter_that_was_not_read_yet_is_found() -> None:
    """A permanent link to a letter works in a new console."""
    with browser_on(stage_of_causes()) as browser:
        assert "stock_quantity_check" in browser.get("/letters/00000000-0000-0000-0000-000000000003")


def test_hostile_text_is_only_text() -> None:
    """Whatever a sender writes into each field, a page shows it as text, with codes for what cannot be seen."""
    body = json.dumps(
        {"specversion": "1.0", "id": HOSTILE, "source": HOSTILE, "type": HOSTILE, "data": {HOSTILE: HOSTILE}}
    )
    letter = json.loads(dead_letter(1).attributes["penstock.dead-letter"].value)
    forged = {name: HOSTILE for name in letter if name != "receive_count"} | {"receive_count": 1}
    stamp = Attribute(json.dumps(forged))
    messages = [
        Outgoing(body),
        Outgoing(body, {"penstock.dead-letter": stamp}),
        Outgoing(HOSTILE.replace("\x00", "").replace("\x1b", "")),
    ]
    with browser_on(stage_with(*messages)) as browser:
        browser.read()
        survey = browser.console.surveys.latest
        assert survey
        pages = [browser.get("/causes")]
        for cause in survey.causes:
            pages.append(browser.get(f"/causes/{quote(cause.key, safe='')}"))
            for letter in survey.letters[cause.key]:
                pages.append(browser.get(f"/letters/{letter.message_id}"))
                pages.append(browser.post(f"/letters/{letter.message_id}/reveal"))
    assert len(pages) == 10
    for text in pages:
        assert "<script>alert" not in text
        assert not set(text) & set("\x1b\u202e\u2066\x00")
    assert any("\\u202e" in text for text in pages)


def test_a_huge_body_is_cut() -> None:
    """A body of nearly a mebibyte is cut with a note, and so is its shape."""
    with browser_on(stage_with(dead_letter(1, text="x" * 900_000))) as browser:
        browser.read()
        survey = browser.console.surveys.latest
        assert survey
        text = browser.post(f"/letters/{survey.letters[browser.first_key][0].message_id}/reveal")
        assert len(text) < 40_000
        assert "the whole text has 900," in text


def test_an_edit_before_and_after() -> None:
    """An edit is shown as lines before and after, with a trial of each; a bad one is refused with its reason."""

    def dry_run(bodies: list[str]) -> list[DryRunResult]:
        good = [json.loads(body)["data"]["delta"] == 1 for body in bodies]
        outcomes = [DryRunOutcome.APPLIED if one else DryRunOutcome.DEAD for one in good]
        return [
            DryRunResult(o, None, None, None if one else DataFault(CHECK))
            for o, one in zip(outcomes, good, strict=True)
        ]

    class Anything:
        @property
        def without_keys(self) -> "Anything":
            return self

        def decode(self, text: str) -> None:
            pass

    def edit(text: str) -> Any:
        contract: Any = Anything()
        parsed = Edit.parse(text, files=False)
        return lambda body: parsed.apply(body, contract)

    engine: Any = object()
    parts = {"engine": engine, "edit": edit, "trial": lambda: lambda _: dry_run}
    with browser_on(stage_with(dead_letter(1), **parts)) as browser:
        path = "/letters/00000000-0000-0000-0000-000000000001/edit"
        patch = '[{"op": "replace", "path": "/data/delta", "value": 1}]'
        text = browser.post(path, edit=patch, do="try")
        assert '<div class="old"><span class="mark">\N{MINUS SIGN}</span>    &#34;delta&#34;: -2' in text
        assert '<div class="new"><span class="mark">+</span>    &#34;delta&#34;: 1' in text
        assert text.index(">dead<") < text.index(">applied<")
        assert "may not change id" in browser.post(path, edit='[{"op": "remove", "path": "/id"}]')
        assert "changes nothing" in browser.post(path, edit="@")
        assert "not a JSON Patch" in browser.post(path, edit="[]")
        assert "root:" not in browser.post(path, edit="@/etc/passwd")


def test_a_trial_of_a_cause() -> None:
    """Each listed letter has the outcome of its own trial beside it."""

    def dry_run(bodies: list[str]) -> list[DryRunResult]:
        return [
            DryRunResult(DryRunOutcome.APPLIED, None, None, None)
            if "00000001" in body
            else DryRunResult(DryRunOutcome.DEAD, None, None, DataFault(CHECK))
            for body in bodies
        ]

    engine: Any = object()
    stage = stage_with(dead_letter(1), dead_letter(2), engine=engine, trial=lambda: lambda _: dry_run)
    with browser_on(stage) as browser:
        browser.read()
        rows = browser.post(f"/causes/{browser.first_key}/trial").split("<tr>")[2:]
        assert ["applied" in row for row in rows] == ["0001</a>" in row for row in rows]
        assert sum("CheckViolation" in row for row in rows) == 1


def test_a_trial_without_its_database_says_so(browser: Browser) -> None:
    """An error of the stage is a page with the way out."""
    text = browser.post(f"/causes/{browser.first_key}/trial", 502)
    assert "connection refused" in text
    assert "Check the database and its URL" in text


def test_two_thousand_letters_stay_quick() -> None:
    """2,000 letters of 5 causes make pages of less than 200 kB."""
    kinds = [f"kind.{number}" for number in range(5)]
    dead = MemoryQueue()
    dead.send([dead_letter(number, CHECK, kinds[number % 5]) for number in range(2000)])
    with browser_on(operated(dead, MemoryQueue(dead.clock))) as browser:
        browser.read()
        assert "2,000 dead letters, 5 causes" in browser.get("/causes")
        text = browser.get(f"/causes/{browser.first_key}")
        assert "The first 100 of 400" in text
        assert len(text) < 200_000


def test_a_scan_that_fails_says_so() -> None:
    """If the queue cannot be read, the page says why, and can be tried again."""
    dead = MemoryQueue()
    dead.refuse("AccessDenied", call="receive")
    dead.send([dead_letter(1)])
    with browser_on(operated(dead, MemoryQueue())) as browser:
        browser.read()
        assert "could not be read" in browser.get("/causes")
        browser.read()
        assert "1 dead letter, 1 cause" in browser.get("/causes")
        assert browser.client.get("/causes/reading").status_code == 205


def test_operations_on_record(engine: Engine) -> None:
    """The log of operations is listed, the newest first, with what was selected."""
    stage = stage_with(engine=engine)
    stage.open_breaker("index build")
    with browser_on(stage) as browser:
        text = browser.get("/operations")
        assert "breaker-open" in text
        assert "user/alice" in text
        assert 'reason: "index build"' in text


def test_a_missing_page_is_a_page(browser: Browser) -> None:
    """An address that does not exist is said to be none."""
    assert "No such page" in browser.get("/nothing", 404)
    assert "It was not begun in this console" in browser.get("/replays/7", 404)


def test_nothing_known_yet() -> None:
    """Before the first figures are read, the page says that they are being read."""
    with browser_on(stage_with()) as browser:
        browser.console.sampler = Sampler(snapshot)
        assert "Reading …" in browser.get("/")
