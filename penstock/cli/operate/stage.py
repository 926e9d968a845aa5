"""What an operator does with a stage, for a screen: nothing here prints, and each error is raised."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from penstock.cli.operate.breaker import turn_off, turn_on
from penstock.cli.operate.canary_replay import CanaryReplay, Progress, run_canary_replay
from penstock.cli.operate.causes import Survey, letters_of, survey
from penstock.cli.operate.drain_state import DrainState, read_drain_state
from penstock.cli.operate.letters import Letter, find_letter
from penstock.cli.operate.trial import load_trial, require_database, try_letters
from penstock.cli.support.actor import actor
from penstock.cli.support.breaker import mapping_of
from penstock.cli.support.database import find_database, open_engine
from penstock.cli.support.errors import Failure
from penstock.cli.support.options import Target
from penstock.cli.support.service import import_drain
from penstock.consumer.breaker.event_source import EventSourceMapping
from penstock.consumer.breaker.manual import BreakerStatus, breaker_status
from penstock.database.operations import OperationRecord, read_operations, recorded
from penstock.deadletters import Plan
from penstock.deadletters.edit.edit import Edit
from penstock.deadletters.replay.preview import Previewed
from penstock.queue import Queue

if TYPE_CHECKING:
    from penstock.consumer.dry_run import DryRunResult
    from penstock.deadletters.replay.preview import DryRun


@dataclass(frozen=True)
class OperatedStage:
    """A stage and the ways to it. Each method may take seconds, and may be called from any thread.

    Attributes:
        dead: the dead-letter queue.
        main: the queue that the drain reads.
        retention_seconds: how long the dead-letter queue keeps a message.
        database: opens an engine of the stage's database.
        trial: imports the drain, and returns what makes a trial on a database.
        edit: parses the text of an edit, and returns what edits a body.
        find_mapping: finds the drain's event source mapping.
        find_actor: finds the operator's name.
        words: the options that name the stage, for commands to type.
    """

    dead: Queue
    main: Queue
    retention_seconds: int
    database: Callable[[], AbstractContextManager[Engine]]
    trial: "Callable[[], Callable[[Engine], DryRun]]"
    edit: Callable[[str], Callable[[str], str]]
    find_mapping: Callable[[], EventSourceMapping]
    find_actor: Callable[[], str]
    words: str = ""

    @classmethod
    def open(cls, at: Target, database_url: str | None, drain: str | None) -> Self:
        """Find the queues of a stage. The other parts are found when they are needed.

        Args:
            at: the stage.
            database_url: the value of --database-url.
            drain: the drain as `MODULE:ATTRIBUTE`; None for the one that the configuration names.

        Raises:
            Failure: there is no such stack, or it does not belong to a Penstock service.
        """
        stage = at.open()
        queues = stage.queues()
        return cls(
            dead=queues.dead,
            main=queues.main,
            retention_seconds=queues.retention_seconds,
            database=lambda: open_engine(find_database(database_url, at), quiet=True),
            trial=lambda: load_trial(drain, stage),
            edit=lambda text: _edit(text, drain),
            find_mapping=lambda: mapping_of(stage),
            find_actor=lambda: actor(stage),
            words=at.words,
        )

    @cached_property
    def actor(self) -> str:
        """The operator's name."""
        return self.find_actor()

    def survey(self, keep: int = 0, on_page: Callable[[int], None] = lambda _: None) -> Survey:
        """Count the dead letters by cause, and keep so many of each; `causes.survey` has the details."""
        return survey(self.dead, self.retention_seconds, keep=keep, on_page=on_page)

    def letters(self, key: str, limit: int) -> list[Letter]:
        """Return dead letters of a cause; `causes.letters_of` has the details."""
        return letters_of(self.dead, self.retention_seconds, key, limit)

    def letter(self, id_: str) -> Letter | None:
        """Return one dead letter by its id; `letters.find_letter` has the details."""
        return find_letter(self.dead, self.retention_seconds, id_)

    def try_plan(self, plan: Plan, limit: int, on_page: Callable[[int], None] = lambda _: None) -> list[Previewed]:
        """Return what would become of dead letters if they were replayed now; `trial.try_letters` has the details.

        Raises:
            Failure: the drain cannot be imported, or the database cannot be reached.
        """
        make = self.trial()
        with self.database() as engine:
            require_database(engine)
            return try_letters(self.dead, plan, make(engine), limit, on_page)

    def try_bodies(self, bodies: Sequence[str]) -> "list[DryRunResult]":
        """Return what the drain would do now with some messages as one batch, rolled back; at most a hundred.

        Raises:
            Failure: the drain cannot be imported, or the database cannot be reached.
            penstock.consumer.faults.tree.Fault: there is no result: the database is unwell, for example.
        """
        make = self.trial()
        with self.database() as engine:
            return make(engine)(bodies) if bodies else []

    def replay(
        self,
        wanted: CanaryReplay,
        *,
        on_progress: Callable[[Progress], None],
        stopping: Callable[[float], bool],
    ) -> Progress:
        """Replay dead letters; `canary_replay.run_canary_replay` has the details."""
        with self.database() as engine:
            return run_canary_replay(
                self.dead, self.main, engine, self.actor, wanted, on_progress=on_progress, stopping=stopping
            )

    def drain_state(self, kinds: Collection[str] = ()) -> DrainState:
        """Return what stands in the way of a replay; `drain_state.read_drain_state` has the details."""
        try:
            with self.database() as engine:
                return read_drain_state(self.find_mapping, engine, kinds, self.words)
        except Failure:
            return read_drain_state(self.find_mapping, None, kinds, self.words)

    def breaker(self) -> BreakerStatus:
        """Return the state of the breaker.

        Raises:
            Failure: the stack has no event source mapping.
            botocore.exceptions.ClientError: Lambda refused a call.
        """
        return breaker_status(self.find_mapping())

    def open_breaker(self, reason: str) -> BreakerStatus:
        """Turn the drain off, on record if the database answers, and return the breaker's state before."""
        with self._recorded("breaker-open", {"reason": reason}):
            return turn_off(self.find_mapping(), self.actor, reason)

    def close_breaker(self) -> BreakerStatus:
        """Turn the drain on, on record if the database answers, and return the breaker's state before."""
        with self._recorded("breaker-close", {}):
            return turn_on(self.find_mapping())

    def operations(self, limit: int) -> list[OperationRecord]:
        """Return the newest operations on record.

        Raises:
            Failure: the database cannot be reached.
            sqlalchemy.exc.SQLAlchemyError: it refused the statement.
        """
        with self.database() as engine:
            return read_operations(engine, limit)

    @contextmanager
    def _recorded(self, action: str, selection: Mapping[str, Any]) -> Iterator[None]:
        """Record an operation: in the log alone if the database is away, since the breaker has to work then."""
        begun = False
        try:
            with self.database() as engine, recorded(engine, action, self.actor, selection):
                begun = True
                yield
        except (Failure, SQLAlchemyError):
            if begun:
                raise
            with recorded(None, action, self.actor, selection):
                yield


def _edit(text: str, drain: str | None) -> Callable[[str], str]:
    """Return what edits a body and checks the result as the drain would.

    Raises:
        penstock.expressions.jmespath.BadExpression: the text is no edit.
        Failure: the drain cannot be imported.
    """
    edit = Edit.parse(text, files=False)
    contract = import_drain(drain).contract
    return lambda body: edit.apply(body, contract)
