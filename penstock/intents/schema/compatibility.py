"""Compare two states of a contract: what happens to messages that are in flight during a deployment.

The new consumer receives old messages, from the queue or the dead-letter queue. The old consumer receives new
messages until it is replaced.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Literal

from penstock.intents.schema.document import KindDocument
from penstock.intents.schema.narrowing import Narrowed, narrowed


class Compatibility(StrEnum):
    """What happens to the messages in question."""

    COMPATIBLE = "compatible"
    """All of them are accepted."""
    UPGRADED = "upgraded"
    """They are accepted if the upgraders are correct; the comparison does not run them."""
    CONSUMER_FIRST = "consumer-first"
    """They are accepted by the new consumer only: deploy it before the producers."""
    INCOMPATIBLE = "incompatible"
    """Some of them are no longer accepted, and become dead letters."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change of a contract.

    Attributes:
        verdict: what happens to the messages.
        kind: the kind as the messages name it.
        messages: whether they were written before or after the change.
        field: the field as a dotted path; None if the change is not about one field.
        problem: what has changed.
        hint: what to do about it.
    """

    verdict: Compatibility
    kind: str
    messages: Literal["old", "new"]
    field: str | None
    problem: str
    hint: str | None = None


def compare(before: Sequence[KindDocument], after: Sequence[KindDocument]) -> list[Change]:
    """Compare two states of a contract; return the changes only."""
    new_names = {name: one for one in after for name in (*one.aliases, one.kind)}
    old_names = {name: one for one in before for name in (*one.aliases, one.kind)}
    return [
        *chain.from_iterable(_old_messages(one, new_names) for one in before),
        *chain.from_iterable(_new_messages(one, old_names.get(one.kind)) for one in after),
    ]


def _old_messages(old: KindDocument, names: dict[str, KindDocument]) -> Iterator[Change]:
    for name in (old.kind, *old.aliases):
        new = names.get(name)
        if new is None:
            hint = f"add it to aliases= of the kind that replaces it, until no message of {name} is left"
            yield Change(Compatibility.INCOMPATIBLE, name, "old", None, "no kind has this name any more", hint)
        else:
            if new.kind != name and name == old.kind:
                yield Change(
                    Compatibility.COMPATIBLE, name, "old", None, f"its messages are decoded as {new.kind}"
                )
            if name == old.kind or new is not names.get(old.kind):
                yield from _old_versions(old, new, name)


def _old_versions(old: KindDocument, new: KindDocument, name: str) -> Iterator[Change]:
    """Compare each version that the old kind accepts."""
    for version in range(old.oldest, old.version + 1):
        if version > new.version:
            problem = f"version {version} is unknown: the latest is {new.version}"
            yield Change(
                Compatibility.INCOMPATIBLE, name, "old", None, problem, "a version must never decrease: raise it"
            )
        elif version < new.oldest:
            hint = f"register @{new.class_name}.upgrader({version}), or wait until no message of it is left"
            problem = f"there is no upgrader from version {version} any more"
            yield Change(Compatibility.INCOMPATIBLE, name, "old", None, problem, hint)
        elif version < new.version and old.version != new.version:
            problem = f"version {version} is upgraded to {new.version}"
            yield Change(
                Compatibility.UPGRADED,
                name,
                "old",
                None,
                problem,
                "test the upgraders: this comparison does not run them",
            )
        elif version == new.version:
            raised = f"raise the version to {version + 1} and register @{new.class_name}.upgrader({version})"
            found = _narrowed(old, new)
            for field, problem in found:
                yield Change(Compatibility.INCOMPATIBLE, name, "old", field or None, problem, raised)
            if not found and old.data != new.data:
                problem = "its fields have changed and accept all earlier values"
                yield Change(Compatibility.COMPATIBLE, name, "old", None, problem)


def _new_messages(new: KindDocument, old: KindDocument | None) -> Iterator[Change]:
    if old is None or old.kind != new.kind:
        problem = "the old consumer does not know this kind: it retries such messages a few times"
        yield _consumer_first(new, None, problem)
    elif new.version > old.version:
        problem = f"the old consumer does not know version {new.version}: it retries such messages a few times"
        yield _consumer_first(new, None, problem)
    elif new.version == old.version:
        for field, problem in _narrowed(new, old):
            yield _consumer_first(new, field or None, f"for the old consumer: {problem}")


def _consumer_first(new: KindDocument, field: str | None, problem: str) -> Change:
    return Change(
        Compatibility.CONSUMER_FIRST, new.kind, "new", field, problem, "deploy the consumer before the producers"
    )


def _narrowed(before: KindDocument, after: KindDocument) -> list[Narrowed]:
    """Find the fields whose data may no longer be valid."""
    return list(dict.fromkeys(narrowed(before.data, after.data)))
