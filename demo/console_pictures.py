"""The pictures in docs/console.md: `make console-pictures` takes them from the page itself, with Chromium."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from playwright.sync_api import Browser, Page, sync_playwright

from demo.console_state import console
from penstock.cli.console.state import Console
from penstock.deadletters.scan import leases

CHROMIUM: Final = Path("/usr/bin/chromium")
FLAGS: Final = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
ColorScheme = Literal["light", "dark"]
_SCHEMES: Final[tuple[ColorScheme, ...]] = ("light", "dark")


@contextmanager
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium, without a window."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=[*FLAGS])
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def opened(browser: Browser, own: Console, scheme: ColorScheme, *, width: int, height: int) -> Iterator[Page]:
    """Open a console in a new profile."""
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": height})
    try:
        page = context.new_page()
        page.goto(own.link())
        page.wait_for_selector("nav")
        yield page
    finally:
        context.close()


def take(folder: Path) -> None:
    """Take the pictures into a folder."""
    leases._WAIT_SECONDS = 0  # The queue is in memory.
    with chromium() as browser, console(allow_changes=True) as own:
        own.surveys.refresh()
        for scheme in _SCHEMES:
            with opened(browser, own, scheme, width=1080, height=850) as page:
                page.wait_for_selector(".charts")
                page.screenshot(path=folder / f"console-now-{scheme}.png")
                page.goto(f"{page.url}causes")
                page.wait_for_selector(".causes")
                page.screenshot(
                    path=folder / f"console-causes-{scheme}.png",
                    clip={"x": 0, "y": 0, "width": 1080, "height": 560},
                )
        with opened(browser, own, "light", width=1080, height=760) as page:
            others(page, folder)


def others(page: Page, folder: Path) -> None:
    """Take the pictures of a cause after a trial, and of an edit."""
    page.goto(f"{page.url}causes")
    page.click(".causes tbody a")
    page.click("text=Try these")
    page.wait_for_selector(".outcome")
    page.screenshot(path=folder / "console-cause.png")
    page.click(".letters tbody a")
    page.fill("textarea", '[{"op": "replace", "path": "/data/delta", "value": -1}]')
    page.click("text=Compare and try both")
    page.wait_for_selector(".diff")
    page.locator("section", has=page.locator("#edit")).screenshot(path=folder / "console-edit.png")


if __name__ == "__main__":
    take(Path(sys.argv[1]))
