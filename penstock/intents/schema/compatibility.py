"""What a change of the contract does to the messages that are on their way while it is deployed.

Old messages, on the queue or among the dead letters, meet the new consumer; and as long as the old consumer is
still there, new messages meet it.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Literal

from penstock.intents.schema.document import KindDocument
from penstock.intents.schema.narrowing import Narrowed, narrowed


class Compatibility(StrEnum):
    """What becomes of the messages in question."""

    COMPATIBLE = "compatible"
    """All of them are read."""
    UPGRADED = "upgraded"
    """They are read if the upgraders do what they should: those are not run here."""
    CONSUMER_FIRST = "consumer-first"
    """They are not read before the new consumer is there: deploy it before the producers."""
    INCOMPATIBLE = "incompatible"
    """Some of them are not read any more, and become dead letters."""


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that has changed.

    Attributes:
        verdict: what becomes of the messages.
        kind: of which kind they are, by its name in them.
        messages: whether they were written before or after the change.
        field: which field it is about, as a dotted path.
        problem: what has changed.
        hint: what to do.
    """

    verdict: Compatibility
    kind: str
    messages: Literal["old", "new"]
    field: str | None
    problem: str
    hint: str | None = None


def compare(before: Sequence[KindDocument], after: Sequence[KindDocument]) -> list[Change]:
    """Compare two states of a contract; what has not changed is not mentioned."""
    names = {name: one for one in after for name in (*one.aliases, one.kind)}
    known = {name: one for one in before for name in (*one.aliases, one.kind)}
    return [
        *chain.from_iterable(_old_messages(one, names) for one in before),
        *chain.from_iterable(_new_messages(one, known.get(one.kind)) for one in after),
    ]


def _old_messages(old: KindDocument, names: dict[str, KindDocument]) -> Iterator[Change]:
    for name in (old.kind, *old.aliases):
        new = names.get(name)
        if new is None:
            hint = f"name it in aliases= of the kind that took its place, until no message of {name} is left"
            yield Change(Compatibility.INCOMPATIBLE, name, "old", None, "nothing reads this kind any more", hint)
        else:
            if new.kind != name and name == old.kind:
                yield Change(Compatibility.COMPATIBLE, name, "old", None, f"its messages are read as {new.kind}")
            if name == old.kind or new is not names.get(old.kind):
                yield from _read_by(old, new, name)


def _read_by(old: KindDocument, new: KindDocument, name: str) -> Iterator[Change]:
    """Look at each version that is read of the old kind."""
    for version in range(old.oldest, old.version + 1):
        if version > new.version:
            problem = f"version {version} is not known any more: the newest is {new.version}"
            yield Change(
                Compatibility.INCOMPATIBLE, name, "old", None, problem, "a version is never taken back: raise it"
            )
        elif version < new.oldest:
            hint = f"register @{new.class_name}.upgrader({version}), or wait until no message of it is left"
            problem = f"nothing upgrades from version {version} any more"
            yield Change(Compatibility.INCOMPATIBLE, name, "old", None, problem, hint)
        elif version < new.version and old.version != new.version:
            problem = f"version {version} is upgraded to {new.version}"
            yield Change(
                Compatibility.UPGRADED, name, "old", None, problem, "test the upgraders: they are not run here"
            )
        elif version == new.version:
            raised = f"raise the version to {version + 1} and register @{new.class_name}.upgrader({version})"
            found = _narrowed(old, new)
            for field, problem in found:
                yield Change(Compatibility.INCOMPATIBLE, name, "old", field or None, problem, raised)
            if not found and old.data != new.data:
                problem = "its fields have changed, and take what they took"
                yield Change(Compatibility.COMPATIBLE, name, "old", None, problem)


def _new_messages(new: KindDocument, old: KindDocument | None) -> Iterator[Change]:
    if old is None or old.kind != new.kind:
        problem = "the old consumer does not know this kind: it tries such messages again a few times"
        yield _consumer_first(new, None, problem)
    elif new.version > old.version:
        problem = f"the old consumer does not know version {new.version}: it tries such messages again a few times"
        yield _consumer_first(new, None, problem)
    elif new.version == old.version:
        for field, problem in _narrowed(new, old):
            yield _consumer_first(new, field or None, f"by the old consumer: {problem}")


def _consumer_first(new: KindDocument, field: str | None, problem: str) -> Change:
    return Change(
        Compatibility.CONSUMER_FIRST, new.kind, "new", field, problem, "deploy the consumer before the producers"
    )


def _narrowed(before: KindDocument, after: KindDocument) -> list[Narrowed]:
    """Find where data that was valid may not be any more."""
    return list(dict.fromkeys(narrowed(before.data, after.data)))
