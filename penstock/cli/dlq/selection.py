"""The options that say which dead letters are meant."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
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
    """What the user says of the dead letters."""

    ids: Sequence[str] | None
    kinds: Sequence[str] | None
    faults: Sequence[str] | None
    sqlstates: Sequence[str] | None
    fingerprints: Sequence[str] | None
    since: str | None
    until: str | None
    where: str | None

    def selector(self) -> Selector:
        """Return the selector; of everything, where no option was given.

        Raises:
            Failure: an option cannot be read, or selects nothing.
        """
        return self._selector() if self._given else Selector.all()

    def to_act_on(self, *, everything: bool) -> Selector:
        """Return the selector of an operation, which has to be told what it is about.

        Args:
            everything: whether `--all` was given.

        Raises:
            Failure: neither a selector nor `--all` was given, or both, or one that cannot be read.
        """
        if everything == self._given:
            raise Failure("say which dead letters: either --all, or --id, --kind, --fault and so on", USAGE)
        return self.selector()

    @property
    def _given(self) -> bool:
        values = (self.ids, self.kinds, self.faults, self.sqlstates, self.fingerprints)
        return any(values) or any(text is not None for text in (self.since, self.until, self.where))

    def _selector(self) -> Selector:
        try:
            return Selector.of(
                ids=self.ids or (),
                kinds=self.kinds or (),
                faults=self.faults or (),
                sqlstates=self.sqlstates or (),
                fingerprints=self.fingerprints or (),
                since=_moment(self.since),
                until=_moment(self.until),
                where=None if self.where is None else Condition.parse(self.where),
            )
        except (ValueError, BadExpression) as error:
            raise Failure(str(error), USAGE) from None


def _moment(text: str | None) -> float | None:
    return None if text is None else parse_when(text, datetime.now(UTC)).timestamp()


def _many(name: str, meaning: str) -> Any:
    return Annotated[
        list[str] | None, typer.Option(name, help=f"{meaning} May be given again.", rich_help_panel=_PANEL)
    ]


def _one(name: str, meaning: str) -> Any:
    return Annotated[str | None, typer.Option(name, help=meaning, rich_help_panel=_PANEL)]


selecting = options_for(
    "chosen",
    Selection,
    {
        "ids": _many("--id", "An intent's id, or SQS's id of the message."),
        "kinds": _many("--kind", "A kind of intent."),
        "faults": _many(
            "--fault", "A fault's class or reason; `sqs` for what SQS moved, `other` for foreign ones."
        ),
        "sqlstates": _many("--sqlstate", "A code of Postgres's."),
        "fingerprints": _many("--fingerprint", "A cause, as `penstock dlq stats` names it."),
        "since": _one("--since", "Set aside at or after this time: RFC 3339, or 15m, 2h, 7d ago."),
        "until": _one("--until", "Set aside before this time."),
        "where": _one("--where", "A JMESPath condition on the envelope, such as \"data.sku == 'A1'\"."),
    },
)
"""Give a command the options that say which dead letters are meant, in place of its `chosen: Selection`."""
