"""The words of the screens of `penstock top`."""

from dataclasses import dataclass

from penstock.cli.operate.causes import Cause, selector_of
from penstock.cli.operate.letters import Letter
from penstock.cli.support.describe_error import describe_error
from penstock.cli.support.errors import Failure
from penstock.cli.support.output import escape_control
from penstock.deadletters import Selector


@dataclass(frozen=True, slots=True)
class Chosen:
    """Dead letters that something is done with.

    Attributes:
        name: what they are, for a person.
        selector: what selects them.
        count: about how many there are.
    """

    name: str
    selector: Selector
    count: int


def chosen_cause(cause: Cause) -> Chosen:
    """Return the dead letters of a cause.

    Raises:
        Failure: nothing selects them.
    """
    selector = selector_of(cause.key)
    if selector is None:
        raise Failure("this cause has no name that selects its dead letters: open it, and take them one by one")
    return Chosen(name_of(cause), selector, cause.count)


def chosen_letter(letter: Letter) -> Chosen:
    """Return one dead letter: by SQS's id, since several may have the same intent's id."""
    return Chosen(f"dead letter {letter.id or letter.message_id}", Selector.of(ids=[letter.message_id]), 1)


def name_of(cause: Cause) -> str:
    """Return the name of a cause, such as `page.viewed CheckViolation 23514`."""
    words = (cause.kind, cause.reason or f"moved by {cause.origin}", cause.sqlstate)
    return escape_control(" ".join(word for word in words if word))


def reason_of(error: Exception) -> str:
    """Return why something failed; for a `Failure` with the way out."""
    if isinstance(error, Failure):
        return "\n".join(escape_control(line) for line in str(error).splitlines())
    return describe_error(error)
