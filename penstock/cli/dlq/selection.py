"""The options that select dead letters."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any, Final

import typer

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import options_for
from penstock.cli.support.times import parse_when
from penstock.deadletters import Selector
from penstock.deadletters.condition import Condition
from penstock.expressions.jmespath import BadExpression

_PANEL: Final = "Which dead letters"


@dataclass(frozen=True, slots=True)
class Selection:
    """The values of the options that select dead letters, as they were given."""

    ids: Sequence[str] | None
    kinds: Sequence[str] | None
    faults: Sequence[str] | None
    sqlstates: Sequence[str] | None
    fingerprints: Sequence[str] | None
    since: str | None
    until: str | None
    where: str | None

    def selector(self) -> Selector:
        """Return the selector; it selects all dead letters if no option was given.

        Raises:
            Failure: an option cannot be parsed, or cannot select anything.
        """
        if not self.is_given:
            return Selector.all()
        try:
            return Selector.of(
                ids=self.ids or (),
                kinds=self.kinds or (),
                faults=self.faults or (),
                sqlstates=self.sqlstates or (),
                fingerprints=self.fingerprints or (),
                since=_timestamp(self.since),
                until=_timestamp(self.until),
                where=None if self.where is None else Condition.parse(self.where),
            )
        except (ValueError, BadExpression) as error:
            raise Failure(str(error), USAGE) from None

    def explicit_selector(self, *, everything: bool) -> Selector:
        """Return the selector of a command that changes queues; it needs an explicit selection.

        Args:
            everything: whether `--all` was given.

        Raises:
            Failure: neither a selector nor `--all` was given, or both, or an option cannot be parsed.
        """
        if everything == self.is_given:
            raise Failure("select the dead letters: give either --all, or --id, --kind, --fault and so on", USAGE)
        return self.selector()

    @property
    def is_given(self) -> bool:
        """Whether any of the options was given."""
        values = (self.ids, self.kinds, self.faults, self.sqlstates, self.fingerprints)
        return any(values) or any(text is not None for text in (self.since, self.until, self.where))


def _timestamp(text: str | None) -> float | None:
    return None if text is None else parse_when(text, datetime.now(UTC)).timestamp()


def _repeatable(name: str, meaning: str) -> Any:
    return Annotated[
        list[str] | None, typer.Option(name, help=f"{meaning} Can be given several times.", rich_help_panel=_PANEL)
    ]


def _single(name: str, meaning: str) -> Any:
    return Annotated[str | None, typer.Option(name, help=meaning, rich_help_panel=_PANEL)]


_OF_ANY_KIND: Final = {
    "ids": _repeatable("--id", "The id of an intent, or the SQS id of a message."),
    "kinds": _repeatable(
        "--kind", "A kind of intent. One that the service does not declare has to be on the queue."
    ),
}
_OF_ONE_KIND: Final = {
    "faults": _repeatable(
        "--fault",
        "The class or the reason of a fault; `sqs` for messages that SQS moved, "
        "`other` for messages of other programs. One that Penstock does not know has to be on the queue.",
    ),
    "sqlstates": _repeatable("--sqlstate", "A SQLSTATE of Postgres."),
    "fingerprints": _repeatable(
        "--fingerprint", "The fingerprint of a cause, as in `penstock dlq stats`, or the beginning of one alone."
    ),
    "since": _single("--since", "Dead-lettered at or after this time: RFC 3339, or 15m, 2h, 7d ago."),
    "until": _single("--until", "Dead-lettered before this time."),
    "where": _single("--where", "A JMESPath condition on the envelope, such as \"data.sku == 'A1'\"."),
}

selection_options = options_for("chosen", Selection, _OF_ANY_KIND | _OF_ONE_KIND)
"""Give a command the options that select dead letters, in place of its parameter `chosen: Selection`."""

selection_of_kind_options = options_for("chosen", partial(Selection, None, None), _OF_ONE_KIND)
"""The same for a command that has the kind as its argument, and options of its own for ids."""
