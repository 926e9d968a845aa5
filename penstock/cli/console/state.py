"""What the pages of a console share."""

import shlex
from dataclasses import dataclass, field
from functools import cached_property

from penstock.cli.console.sampler import Sampler
from penstock.cli.console.sessions import Sessions
from penstock.cli.console.tasks import Surveys, Tasks
from penstock.cli.operate.causes import Cause, words_of
from penstock.cli.operate.stage import OperatedStage
from penstock.cli.support.options import Target
from penstock.cli.support.output import escape_control

KEPT_LETTERS = 100
"""So many dead letters of a cause are kept with their bodies, and listed."""


@dataclass
class Console:
    """A console on one stage.

    Attributes:
        stage: the stage.
        stack: the name of its stack.
        target: the options that name it.
        sampler: its figures over time.
        allow_changes: whether the pages can change something.
        port: the port on 127.0.0.1.
    """

    stage: OperatedStage
    stack: str
    target: Target
    sampler: Sampler
    allow_changes: bool
    port: int
    sessions: Sessions = field(default_factory=Sessions)
    tasks: Tasks = field(default_factory=Tasks)

    @cached_property
    def surveys(self) -> Surveys:
        """The newest scan of the dead letters."""
        return Surveys(lambda on_page: self.stage.survey(KEPT_LETTERS, on_page))

    def command(self, *words: str) -> str:
        """Return a command line for this stage."""
        return self.complete(shlex.join(["penstock", *words]))

    def complete(self, command: str) -> str:
        """Return a command line of Penstock with the options that name this stage."""
        return f"{command}{self.target.words}"

    def link(self) -> str:
        """Return the URL of a link that works once."""
        return f"http://127.0.0.1:{self.port}/enter?token={self.sessions.new_link()}"

    def note(self, cause: Cause) -> str:
        """Return a cause as text for an incident, without a value of an intent."""
        names = " ".join(filter(None, (cause.reason or str(cause.origin), cause.sqlstate)))
        return "\n".join(
            (
                f"{self.stack}: {cause.count:,} dead letters, {names} ({escape_control(cause.kind)})",
                self.command("dlq", "list", *words_of(cause.key)),
                f"{self.command('console')}, then /causes/{cause.key}",
            )
        )

    def stop(self) -> None:
        """Stop what runs, and give leases back."""
        self.sampler.stop()
        self.tasks.stop()
        self.surveys.stop()
