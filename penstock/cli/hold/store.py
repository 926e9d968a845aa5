"""The holds of a stage, in its database or through its function `migrate`."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeAlias

from penstock.cli.support.database import find_database, open_engine
from penstock.cli.support.options import Target
from penstock.cli.support.remote import RemoteFunction
from penstock.database.holds import Hold, Parked
from penstock.database.watchdog import Watchdog
from penstock.functions.hold_requests import HOLDS_TYPE, PARKED_TYPE, parse_hold_request
from penstock.functions.requests import HOLDS

_SECONDS = 60.0

_Answer: TypeAlias = Callable[..., dict[str, Any]]


class HoldStore:
    """Reads and changes holds. Each call is one transaction."""

    def __init__(self, answer: _Answer) -> None:
        """Take what answers a request; see `penstock.functions.hold_requests`."""
        self._answer = answer

    def list(self) -> list[Hold]:
        """Return the holds, by kind."""
        return HOLDS_TYPE.validate_python(self._answer(call="list")["holds"])

    def hold(self, kind: str, reason: str | None, actor: str) -> None:
        """Hold a kind."""
        self._answer(call="set", kind=kind, reason=reason, actor=actor)

    def begin_release(self, kind: str) -> bool:
        """Let the drain write a kind again; return whether there is anything to release."""
        return bool(self._answer(call="begin", kind=kind)["known"])

    def page(self, kind: str, size: int) -> tuple[bool, Sequence[Parked]]:
        """Return whether a kind is held again, and the messages that were parked first."""
        answer = self._answer(call="page", kind=kind, size=size)
        return bool(answer["held"]), PARKED_TYPE.validate_python(answer["messages"])

    def forget(self, message_ids: Sequence[str]) -> None:
        """Delete parked messages, which SQS has acknowledged."""
        self._answer(call="forget", message_ids=message_ids)

    def end_release(self, kind: str, actor: str, sent: int) -> bool:
        """End the release of a kind, and record it; return False if messages are still parked."""
        return bool(self._answer(call="end", kind=kind, actor=actor, sent=sent)["ended"])


@contextmanager
def open_holds(at: Target, database_url: str | None, *, remote: bool) -> Iterator[HoldStore]:
    """Open the holds of a stage.

    Args:
        at: the options that name the stage.
        database_url: the value of `--database-url`.
        remote: whether the stage's function `migrate` does the work.

    Raises:
        Failure: the database cannot be reached, or the stage has no such function.
    """
    if remote:
        function = RemoteFunction.find(at, database_url=database_url)
        yield HoldStore(lambda **request: function.run(HOLDS, **request))
        return
    with open_engine(find_database(database_url, at)) as engine:
        database = Watchdog(engine)

        def answer(**request: Any) -> dict[str, Any]:
            with database.transaction(_SECONDS) as connection:
                return parse_hold_request(request).answer(connection)

        yield HoldStore(answer)
