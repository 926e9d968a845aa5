"""The statements that an engine sends: one by one through SQLAlchemy, or together in one round trip."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, event

from penstock.consumer.pipeline.trip import Trip

Around = Callable[[Trip, str], Any]
"""Gets each statement of a round trip before it is sent; what it returns is called when it has been sent."""

_watchers: WeakKeyDictionary[Engine, list[Around]] = WeakKeyDictionary()
_send = Trip.send


def watch_trips(engine: Engine, around: Around) -> None:
    """Watch the statements of an engine's round trips."""
    _watchers.setdefault(engine, []).append(around)


def recorded(engine: Engine) -> list[str]:
    """Return a list to which the text of each statement is added from now on."""
    texts: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: texts.append(args[2]))
    watch_trips(engine, lambda _, text: texts.append(text))
    return texts


def _watched(trip: Trip, statement: bytes, *more: Any, **named: Any) -> None:
    with _around(trip, statement):
        _send(trip, statement, *more, **named)


@contextmanager
def _around(trip: Trip, statement: bytes) -> Iterator[None]:
    after = [around(trip, statement.decode()) for around in _watchers.get(trip._connection.engine, ())]
    yield
    for one in after:
        if callable(one):
            one()


Trip.send = _watched  # type: ignore[assignment, method-assign]
