"""The settings, the engine and the queues of a Lambda function, each made at its first use."""

from collections.abc import Callable
from functools import cached_property
from typing import TYPE_CHECKING

from penstock.queue import Queue, SqsQueue
from penstock.settings import Settings

if TYPE_CHECKING:
    # The function `dead-letters` needs the database for a replay only, and SQLAlchemy is a third of its start.
    from sqlalchemy import Engine

    from penstock.database.watchdog import Watchdog


class Resources:
    """What a Lambda handler works with: passed in by its caller, or else made from the settings.

    Each is made at its first use and kept. So a module that makes a handler can be imported without an
    environment, and a warm function instance keeps its connections. Each property raises
    `penstock.settings.SettingsError` if a setting that it needs is missing or bad.
    """

    def __init__(
        self,
        settings: Settings | None,
        engine: "Engine | None",
        make_engine: "Callable[[Settings], Engine]",
        *,
        queue: Queue | None = None,
        dead_letters: Queue | None = None,
    ) -> None:
        """Keep what the caller passed in.

        Args:
            settings: used instead of the environment.
            engine: used instead of the one that `make_engine` makes.
            make_engine: makes the engine from the settings, such as `penstock.database.writer_engine`.
            queue: used instead of the main queue that the settings name.
            dead_letters: used instead of the dead-letter queue that the settings name.
        """
        self._settings = settings
        self._engine = engine
        self._make_engine = make_engine
        self._queue = queue
        self._dead_letters = dead_letters

    @cached_property
    def settings(self) -> Settings:
        """The settings, by default those of the environment."""
        return self._settings or Settings.from_environment()

    @cached_property
    def engine(self) -> "Engine":
        """The engine. Raises `penstock.settings.SecretUnavailable` if the secret with its URL cannot be read."""
        return self._engine or self._make_engine(self.settings)

    @cached_property
    def database(self) -> "Watchdog":
        """Transactions of that engine that are cut off at their time limit."""
        from penstock.database.watchdog import Watchdog  # noqa: PLC0415 (what has an engine has it already)

        return Watchdog(self.engine)

    @cached_property
    def queue(self) -> Queue:
        """The main queue, which the drain reads."""
        return self._queue or SqsQueue(self.settings.require("queue_url").queue_url)

    @cached_property
    def dead_letters(self) -> Queue:
        """The dead-letter queue."""
        return self._dead_letters or SqsQueue(self.settings.require("dead_letter_queue_url").dead_letter_queue_url)
