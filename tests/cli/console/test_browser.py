"""The console in a real browser: without a mouse, and without a fault that axe finds."""

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest
from playwright.sync_api import Browser, Page

from demo.console_pictures import CHROMIUM, ColorScheme, chromium, opened
from demo.console_state import console
from penstock.cli.console.state import Console
from penstock.deadletters.scan import leases
from tests.support.project import ROOT

AXE = ROOT / "node_modules" / "axe-core" / "axe.min.js"
PATCH = '[{"op": "replace", "path": "/data/delta", "value": -1}]'

LOOKS: list[tuple[ColorScheme, int]] = [("light", 1100), ("dark", 360)]

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("browser")]


@pytest.fixture(scope="module")
def own() -> Iterator[Console]:
    """A console on an invented stage of 40 dead letters."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(leases, "_WAIT_SECONDS", 0)
        with console(40, allow_changes=True) as own:
            yield own


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium."""
    if not CHROMIUM.exists() and not os.environ.get("CI"):
        pytest.skip(f"there is no {CHROMIUM}: apt-get install chromium")
    with chromium() as browser:
        yield browser


def faults(page: Page) -> list[str]:
    """Return what axe finds on a page."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("axe.run()")["violations"]
    return [
        f"{page.url} {one['id']}: {node['target']} {node['failureSummary']}"
        for one in found
        for node in one["nodes"]
    ]


def pages(page: Page) -> Iterator[str]:
    """Go through the pages, and yield after each has been drawn."""
    page.wait_for_selector(".charts")
    yield "now"
    page.click("nav >> text=Causes")
    page.wait_for_selector(".causes")
    yield "causes"
    page.click(".causes tbody a")
    page.click("text=Try these")
    page.wait_for_selector(".outcome")
    yield "cause"
    page.click(".letters tbody a")
    page.click("text=Reveal")
    page.fill("textarea", PATCH)
    page.click("text=Compare and try both")
    page.wait_for_selector(".diff .new")
    yield "letter"
    page.click("text=Replay the cause with the edit")
    page.wait_for_selector("[name=confirm]")
    yield "replay"
    page.click("nav >> text=Replays")
    yield "replays"


def test_every_page_is_accessible(browser: Browser, own: Console) -> None:
    """In light and in dark, wide and narrow: axe finds nothing, and no page is wider than its window.

    The browser refuses nothing of a page either.
    """
    with opened(browser, own, "light", width=1100, height=800) as page:
        refused: list[str] = []
        page.on("console", lambda message: refused.append(message.text))
        found: list[str] = []
        seen = []
        for name in pages(page):
            seen.append(name)
            for scheme, width in LOOKS:
                page.emulate_media(color_scheme=scheme)
                page.set_viewport_size({"width": width, "height": 800})
                found += faults(page)
                assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        assert (found, refused, len(seen)) == ([], [], 6)


def press_until(page: Page, key: str, condition: str) -> None:
    """Press a key until the element with the focus meets a condition."""
    for _ in range(60):
        if page.evaluate(f"(e => {condition})(document.activeElement)"):
            return
        page.keyboard.press(key)
    raise AssertionError(condition)


def test_a_payload_is_revealed_without_a_mouse(browser: Browser, own: Console) -> None:
    """The keys Tab and Enter lead from the causes to a letter and to its payload."""
    with opened(browser, own, "light", width=1100, height=800) as page:
        page.goto(f"{page.url}causes")
        page.wait_for_selector(".causes")
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.className") == "skip"
        page.keyboard.press("Enter")
        press_until(page, "Tab", "e.closest('.causes') && e.tagName == 'A'")
        page.keyboard.press("Enter")
        page.wait_for_selector(".letters")
        press_until(page, "Tab", "e.closest('.letters') && e.tagName == 'A'")
        page.keyboard.press("Enter")
        page.wait_for_selector("pre.body")
        assert "KETTLE" not in page.content()
        press_until(page, "Tab", "e.textContent == 'Reveal'")
        page.keyboard.press("Enter")
        page.wait_for_selector("text=Hide")
        assert "KETTLE" in page.inner_text("pre.body")


def test_the_figures_renew_themselves(browser: Browser, own: Console) -> None:
    """The first page shows new figures without a reload, and leaves the focus and what is being typed."""
    with opened(browser, own, "light", width=1100, height=800) as page:
        page.fill("[name=reason]", "index build")
        page.focus(".verdict [data-copy]")
        latest = own.sampler.latest
        assert latest
        own.sampler.add(replace(latest, budget=77))
        page.wait_for_selector("text=of a budget of 77")
        assert page.input_value("[name=reason]") == "index build"
        assert page.evaluate("document.activeElement.matches('.verdict [data-copy]')")
