"""The incidents: what goes wrong, what is typed, and what mends it."""

import json
from collections.abc import Callable
from pathlib import Path

from demo.on_call.letters import letters
from demo.on_call.service import Service
from demo.on_call.terminal import Terminal
from demo.requests import Request, make_burst

_WIDTH, _NARROW = 112, 40
_VIEWS, _BAD_VIEWS = 20, 9
_DEAD = "SELECT count(*) FROM penstock.ledger WHERE outcome = 'dead'"
_PENDING = "SELECT count(*) FROM penstock.ledger WHERE outcome = 'pending'"


def renamed_column(service: Service) -> Terminal:
    """A migration renames a column that the deployed code still writes."""
    terminal = Terminal(service.folder, _WIDTH)
    service.execute("ALTER TABLE page_views RENAME COLUMN path TO url")
    service.send(_views(_VIEWS))
    service.wait("intents wait for the schema", lambda: service.count(_PENDING) == _VIEWS)
    terminal.type("penstock status")
    terminal.type("penstock check")
    terminal.say("The migration is undone: ALTER TABLE page_views RENAME COLUMN url TO path")
    service.execute("ALTER TABLE page_views RENAME COLUMN url TO path")
    service.wait_until_drained()
    terminal.type("penstock status")
    return terminal


def stopped_postgres(service: Service) -> Terminal:
    """Postgres is down; the API goes on answering 202."""
    terminal = Terminal(service.folder, _WIDTH)
    service.stack.postgres.stop()
    service.send(_views(_VIEWS))
    service.wait("the breaker opens", lambda: _breaker(terminal) == "open")
    terminal.type("penstock status")
    terminal.say("Postgres is started again. The probe finds out by itself.")
    service.stack.postgres.start()
    service.wait_until_drained()
    service.wait("the probe closes the breaker", lambda: _breaker(terminal) == "closed")
    terminal.type("penstock status")
    return terminal


def poisoned_replay(service: Service) -> Terminal:
    """Dead letters whose cause is not mended yet: a replay would kill them again."""
    terminal = Terminal(service.folder, _WIDTH)
    service.execute("ALTER TABLE page_views ADD CONSTRAINT no_pricing CHECK (path <> '/pricing')")
    service.send(_views(_BAD_VIEWS, "/pricing") + _views(_VIEWS))
    service.wait("the intents are dead", lambda: service.count(_DEAD) == _BAD_VIEWS)
    terminal.type("penstock dlq stats")
    terminal.type("penstock dlq replay --kind page.viewed --trial --limit 2")
    terminal.type("penstock dlq replay --kind page.viewed --canary 1 --yes")
    terminal.say("The cause is mended: ALTER TABLE page_views DROP CONSTRAINT no_pricing")
    service.execute("ALTER TABLE page_views DROP CONSTRAINT no_pricing")
    terminal.type("penstock dlq replay --kind page.viewed --canary 1 --yes")
    service.wait_until_drained()
    terminal.type("penstock audit")
    return terminal


def many_causes(service: Service) -> Terminal:
    """2,000 dead letters of five causes, one of them not even intents."""
    terminal = Terminal(service.folder, _WIDTH)
    service.queue(service.local.dead_letter_queue_url).send(letters())
    terminal.type("penstock dlq stats")
    terminal.type("penstock dlq list --kind order.status_changed --limit 3")
    return terminal


def narrow(service: Service) -> Terminal:
    """The same in 40 columns."""
    terminal = Terminal(service.folder, _NARROW)
    terminal.type("penstock status")
    terminal.type("penstock dlq stats")
    return terminal


def _breaker(terminal: Terminal) -> object:
    return json.loads(terminal.silently("penstock breaker status --json"))["position"]


def _views(count: int, path: str = "/articles/1") -> list[Request]:
    (view,) = [one for one in make_burst(20, 0) if one.path == "/page-views"][:1]
    return [Request("POST", "/page-views", view.body | {"path": path, "duration_ms": 1}) for _ in range(count)]


INCIDENTS: dict[str, Callable[[Service], Terminal]] = {
    "renamed-column": renamed_column,
    "stopped-postgres": stopped_postgres,
    "poisoned-replay": poisoned_replay,
    "many-causes": many_causes,
    "narrow": narrow,
}
"""Each incident by the name of its picture, in the order in which they happen."""


def picture_file(folder: Path, name: str) -> Path:
    """Return the file of a picture."""
    return folder / f"on-call-{name}.svg"
