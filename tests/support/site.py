"""The built site of the documentation: its pages, their anchors and their links."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag, urlsplit


@dataclass
class Page(HTMLParser):
    """An HTML page: what can be linked to on it, and what it links to and loads."""

    file: Path
    anchors: set[str] = field(default_factory=set)
    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self.feed(self.file.read_text())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collect the anchors, the links, and what a browser loads with the page."""
        given = {name: value for name, value in attrs if value is not None}
        self.anchors.update(given[name] for name in ("id", "name") if name in given)
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in {"img", "script"} and "src" in given:
            self.loads.append(given["src"])
        elif tag == "link" and given.get("rel") in {"stylesheet", "icon"}:
            self.loads.append(given["href"])


class Site:
    """A built site, by the files of its pages."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.pages = {file: Page(file) for file in folder.rglob("*.html")}

    def broken_links(self) -> Iterator[str]:
        """Yield what leads nowhere, of all links and loaded files. Links to elsewhere are not followed."""
        for page in self.pages.values():
            for link in (*page.links, *page.loads):
                if not urlsplit(link).scheme and not self._is_there(page, link):
                    yield f"{page.file}: {link}"

    def _is_there(self, page: Page, link: str) -> bool:
        path, anchor = urldefrag(unquote(link))
        start = self.folder if path.startswith("/") else page.file.parent
        target = (start / path.lstrip("/")).resolve() if path else page.file
        if target.is_dir():
            target /= "index.html"
        if target not in self.pages:
            return target.is_file()
        return not anchor or anchor in self.pages[target].anchors
