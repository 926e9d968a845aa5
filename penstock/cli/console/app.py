"""The pages of a console, by their paths."""

from pathlib import Path
from typing import Final

from botocore.exceptions import BotoCoreError, ClientError
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp

from penstock.cli.console import causes, letters, now, replays
from penstock.cli.console.guard import Guard
from penstock.cli.console.pages import console_of, on_error, on_missing, page
from penstock.cli.console.state import Console
from penstock.cli.support.errors import Failure
from penstock.consumer.faults.tree import Fault
from penstock.project.errors import ProjectError
from penstock.queue import QueueError
from penstock.settings import SettingsError

_STATIC: Final = Path(__file__).with_name("static")
_ONLY_POST: Final = ["POST"]
_ANY: Final = ["GET", "POST"]
_EXPECTED: Final = (
    BotoCoreError,
    ClientError,
    Failure,
    Fault,
    ProjectError,
    QueueError,
    SettingsError,
    SQLAlchemyError,
)
"""Errors of a stage. Others are faults of the console itself, and the server prints their traceback, too."""


def build(console: Console) -> ASGIApp:
    """Return the application of a console."""
    app = Starlette(
        routes=[
            Route("/", now.show),
            Route("/now", now.part),
            Route("/breaker", now.change_breaker, methods=_ONLY_POST),
            Route("/causes", causes.show_all),
            Route("/causes/reading", causes.reading),
            Route("/causes/read", causes.read_again, methods=_ONLY_POST),
            Route("/causes/{key:path}/replay", replays.of_cause, methods=_ANY),
            Route("/causes/{key:path}/trial", causes.try_letters, methods=_ONLY_POST),
            Route("/causes/{key:path}", causes.show_one),
            Route("/letters/{id}", letters.show),
            Route("/letters/{id}/reveal", letters.reveal, methods=_ONLY_POST),
            Route("/letters/{id}/trial", letters.try_letter, methods=_ONLY_POST),
            Route("/letters/{id}/edit", letters.edit, methods=_ONLY_POST),
            Route("/letters/{id}/replay", replays.of_letter, methods=_ANY),
            Route("/replays", replays.show_all),
            Route("/replays/{number:int}", replays.show_one),
            Route("/replays/{number:int}/part", replays.part),
            Route("/replays/{number:int}/stop", replays.stop, methods=_ONLY_POST),
            Route("/operations", replays.operations),
            Route("/links", _new_link, methods=_ONLY_POST),
            Mount("/static", StaticFiles(directory=_STATIC)),
        ],
        exception_handlers={404: on_missing, Exception: on_error, **dict.fromkeys(_EXPECTED, on_error)},
    )
    app.state.console = console
    # Around everything, also around the page of an unexpected error.
    return Guard(app, console.sessions, console.port)


def _new_link(request: Request) -> Response:
    """Show a link for another browser."""
    return page(request, "link.html", link=console_of(request).link())
