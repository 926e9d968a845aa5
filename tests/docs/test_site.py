"""The site of the documentation is built, its links lead somewhere, and it has every page and public name."""

import importlib
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import FunctionType
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from tests.support.project import ROOT
from tests.support.site import Site

DOCS = ROOT / "docs"
SITE = ROOT / "build" / "site"
PUBLIC = [
    "penstock.producer",
    "penstock.producer.aio",
    "penstock.producer.http.api",
    "penstock.intents",
    "penstock.consumer",
    "penstock.database",
    "penstock.testing",
    "penstock.queue",
    "penstock.deadletters",
]
TOP = [page for page in ROOT.glob("*.md") if page.name != "CHANGELOG.md"]

pytestmark = [pytest.mark.server, pytest.mark.slow, pytest.mark.xdist_group("site")]


@pytest.fixture(scope="module")
def site() -> Site:
    """The site, built anew."""
    done = subprocess.run(["make", "docs"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)
    return Site(SITE)


def test_every_link_of_the_site_leads_somewhere(site: Site) -> None:
    """Each link and each anchor within the site exists."""
    assert list(site.broken_links()) == []
    assert sum(len(page.links) for page in site.pages.values()) > 1000


def test_a_broken_link_is_found(tmp_path: Path) -> None:
    """A link to a page or to an anchor that does not exist is reported, and nothing else."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "index.html").write_text("<h1 id='here'>")
    links = ["other/", "other/#here", "#top", "https://example.org/", "nowhere/", "other/#there", "#here"]
    tags = "".join(f"<a href='{link}'>" for link in links)
    (tmp_path / "index.html").write_text(f"<p id='top'>{tags}<img src='no.svg'>")
    broken = [text.split(": ")[1] for text in Site(tmp_path).broken_links()]
    assert broken == ["nowhere/", "other/#there", "#here", "no.svg"]


def test_no_page_loads_anything_from_elsewhere(site: Site) -> None:
    """No page names a font, script, style or picture of another host."""
    assert {load for page in site.pages.values() for load in page.loads if urlsplit(load).netloc} == set()


def test_every_page_is_in_the_navigation(site: Site) -> None:
    """The navigation names each file in docs once, and no other, and each is a page of the site."""
    named = list(leaves(navigation()))
    files = {str(file.relative_to(DOCS)) for file in DOCS.rglob("*.md")}
    assert sorted(named) == sorted(files)
    places = {SITE / re.sub(r"(^|/)index$", r"\1", name.removesuffix(".md")) / "index.html" for name in named}
    assert places <= site.pages.keys()


def navigation() -> Any:
    """Return the navigation in mkdocs.yml."""

    class Loader(yaml.SafeLoader):
        """YAML with tags that name Python objects, which do not matter here."""

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda _loader, _suffix, _node: None)
    return yaml.load((ROOT / "mkdocs.yml").read_text(), Loader)["nav"]  # noqa: S506


def leaves(entry: Any) -> Iterator[str]:
    """Yield the pages of a navigation."""
    if isinstance(entry, str):
        yield entry
    else:
        for one in entry.values() if isinstance(entry, dict) else entry:
            yield from leaves(one)


@pytest.mark.parametrize("module", PUBLIC)
def test_every_public_name_is_in_the_reference(module: str, site: Site) -> None:
    """Each name that a public module exports has its place in the reference."""
    imported = importlib.import_module(module)
    names = getattr(imported, "__all__", None) or [
        name
        for name, value in vars(imported).items()
        if isinstance(value, type | FunctionType) and value.__module__ == module and name[0] != "_"
    ]
    anchors = {anchor for file, page in site.pages.items() if "reference" in file.parts for anchor in page.anchors}
    assert [name for name in names if not anchors.intersection(paths(module, name))] == []
    assert names


def paths(module: str, name: str) -> set[str]:
    """Return the paths of an export: in the package, and where it is defined."""
    value = getattr(importlib.import_module(module), name)
    return {f"{module}.{name}", f"{getattr(value, '__module__', module)}.{name}"}


def test_the_front_door_is_in_the_reference() -> None:
    """What `penstock` exports is exported by a module that the reference has."""
    penstock = importlib.import_module("penstock")
    doors = [importlib.import_module(name).__all__ for name in ("penstock.producer", "penstock.intents")]
    assert set(penstock.__all__) <= set().union(*doors)


@pytest.mark.parametrize("page", TOP, ids=lambda page: page.name)
def test_every_link_of_a_page_at_the_top_leads_somewhere(page: Path) -> None:
    """The README and its neighbours link to files that there are, and to headings that these have."""
    for link in re.findall(r"\]\((?!https?:)([^)\s]+)\)", page.read_text()):
        path, _, anchor = link.partition("#")
        target = page.parent / path if path else page
        assert target.exists(), link
        assert not anchor or anchor in headings(target), link


def headings(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to the headings of a page."""
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    titles = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in titles}
