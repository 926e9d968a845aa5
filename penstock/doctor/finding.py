"""What the doctor finds, and how a rule says it."""

from dataclasses import dataclass
from typing import Final

from penstock.consumer.schema_check.finding import Severity

NOT_CHECKED: Final = "not checked: "


@dataclass(frozen=True, slots=True)
class Problem:
    """What a rule says of one resource.

    Attributes:
        severity: how severe it is.
        resource: the resource, by its logical name; of a nested stack with the stack's name before it. None for
            the service as a whole.
        text: what is wrong, with the numbers.
        hint: the way out; None if there is nothing to do.
    """

    severity: Severity
    resource: str | None
    text: str
    hint: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """A problem, with the rule that it breaks.

    Attributes:
        severity: how severe it is: with a fault, intents or their outcomes are lost, held up or exposed; with a
            warning, that can happen; a note is nothing that is known to be wrong.
        rule: the name of the rule.
        resource: the resource, as in `Problem`.
        problem: what is wrong, with the numbers; or what could not be checked.
        why: why that is wrong.
        source: the address of the page that says so.
        hint: the way out; None if there is nothing to do.
    """

    severity: Severity
    rule: str
    resource: str | None
    problem: str
    why: str
    source: str
    hint: str | None = None

    def __str__(self) -> str:
        place = f"{self.resource}: " if self.resource else ""
        return place + "; ".join(part for part in (self.problem, self.hint) if part)


def fault(resource: str | None, text: str, hint: str) -> Problem:
    """Return a fault."""
    return Problem(Severity.FAULT, resource, text, hint)


def warning(resource: str | None, text: str, hint: str) -> Problem:
    """Return a warning."""
    return Problem(Severity.WARNING, resource, text, hint)


def note(resource: str | None, text: str, hint: str | None = None) -> Problem:
    """Return a note."""
    return Problem(Severity.NOTE, resource, text, hint)


def not_checked(resource: str | None, text: str) -> Problem:
    """Return the note that something could not be checked.

    Args:
        resource: the resource.
        text: what was not seen, and why.
    """
    return note(resource, NOT_CHECKED + text)


class NotKnown(Exception):
    """A rule needs a value that cannot be seen, so it cannot be checked.

    Attributes:
        resource: the resource that has the value.
    """

    def __init__(self, resource: str | None, text: str) -> None:
        super().__init__(text)
        self.resource = resource
