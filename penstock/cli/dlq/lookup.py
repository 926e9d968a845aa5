"""What a selection names is looked up before anything is done: a typing error is an error, not an empty result.

The kinds that the service declares and the faults that Penstock knows are not looked up. Everything else has to be
on the queue: senders can write other kinds, and a service can have faults of its own.
"""

from collections.abc import Collection, Iterable
from contextlib import closing
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from penstock.cli.dlq.messages import format_dead_letters, progress_bar
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.intents import intents_of
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err, escape_control
from penstock.cli.support.project import Project
from penstock.deadletters import DeadLetterMessage, Origin, Selector, scan
from penstock.project.errors import ProjectError
from penstock.queue import Queue

_WHOLE: Final = 12
"""The characters of a fingerprint."""
_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_MAX_KNOWN: Final = 10_000
"""A sender can write any number of kinds. No more than these are kept for suggestions."""
_MAX_SUGGESTED: Final = 5


def look_up(selector: Selector, dead: Queue, at: Target) -> Selector:
    """Return a selector whose fingerprints are whole, after a look at the queue if that is needed.

    The look ends as soon as everything was found. For the beginning of a fingerprint it reads the whole queue,
    because another one may begin with it too. All leases are given back, and nothing is changed.

    Args:
        selector: the selection, whose fingerprints may be beginnings.
        dead: the dead-letter queue.
        at: the options that name the stage.

    Raises:
        Failure: a kind, a fault or a fingerprint is unknown, or a fingerprint is ambiguous.
    """
    for fingerprint in sorted(selector.fingerprints):
        if len(fingerprint) > _WHOLE or not set(fingerprint) <= _HEXADECIMAL:
            raise Failure(
                f"--fingerprint: {fingerprint!r} is no fingerprint, which has {_WHOLE} of the characters 0-9 and "
                "a-f: `penstock dlq stats` shows them",
                USAGE,
            )
    declared = _declared_kinds(at) if selector.kinds else frozenset[str]()
    faults = _known_faults() if selector.faults else frozenset[str]()
    wanted = _Wanted(
        kinds=selector.kinds - declared if declared is not None else frozenset(),
        faults=selector.faults - faults,
        fingerprints=selector.fingerprints,
    )
    if not wanted.names:
        return selector
    seen = _look(dead, wanted)
    if seen.count == 0:
        return selector
    echo_err(f"Looking at the queue first counted as one receive of {format_dead_letters(seen.count)}.")
    if seen.has_all(wanted):
        return selector
    if seen.complete:
        _require("kind", wanted.kinds, seen.kinds, declared or ())
        _require("fault", wanted.faults, seen.faults, faults)
    whole = {_resolve(one, seen) for one in selector.fingerprints}
    return replace(selector, fingerprints=frozenset(whole))


@dataclass(frozen=True, slots=True)
class _Wanted:
    """The names that have to be on the queue."""

    kinds: frozenset[str]
    faults: frozenset[str]
    fingerprints: frozenset[str]

    @property
    def names(self) -> frozenset[str]:
        """All of them."""
        return self.kinds | self.faults | self.fingerprints


@dataclass(slots=True)
class _Seen:
    """What a look has found.

    Attributes:
        kinds: the kinds.
        faults: classes and reasons of faults.
        fingerprints: the cause of each fingerprint, in words.
        count: the number of messages that were read.
        complete: whether the look went through the whole queue.
    """

    kinds: set[str] = field(default_factory=set)
    faults: set[str] = field(default_factory=set)
    fingerprints: dict[str, str] = field(default_factory=dict)
    count: int = 0
    complete: bool = False

    def add(self, found: DeadLetterMessage, wanted: _Wanted) -> None:
        """Add what a message has. What is wanted is always kept."""
        if found.kind and (len(self.kinds) < _MAX_KNOWN or found.kind in wanted.kinds):
            self.kinds.add(found.kind)
        if len(self.faults) < _MAX_KNOWN or not wanted.faults.isdisjoint(found.causes):
            self.faults |= found.causes
        letter = found.letter
        if letter and letter.fingerprint and letter.fingerprint not in self.fingerprints:
            is_wanted = letter.fingerprint.startswith(tuple(wanted.fingerprints))
            if len(self.fingerprints) < _MAX_KNOWN or is_wanted:
                cause = f"{letter.fingerprint} ({found.kind or 'no kind'}, {letter.reason})"
                self.fingerprints[letter.fingerprint] = escape_control(cause)

    def has_all(self, wanted: _Wanted) -> bool:
        """Return whether everything was found, and no further message can make it ambiguous."""
        return (
            wanted.kinds <= self.kinds
            and wanted.faults <= self.faults
            and wanted.fingerprints <= self.fingerprints.keys()
        )


def _look(dead: Queue, wanted: _Wanted) -> _Seen:
    seen = _Seen()
    depth = dead.depth()

    def on_page(count: int) -> None:
        seen.count += count
        advance(count)

    with progress_bar("looking", depth.total) as advance, closing(scan(dead, on_page=on_page)) as found:
        for one in found:
            seen.add(one, wanted)
            if seen.has_all(wanted):
                return seen
    seen.complete = seen.count >= depth.visible
    return seen


def _require(option: str, wanted: Collection[str], seen: Collection[str], known: Iterable[str]) -> None:
    """Check that everything wanted was seen.

    Raises:
        Failure: something was not seen; the message has similar names.
    """
    for name in sorted(set(wanted) - set(seen)):
        others = _similar(name, {*seen, *known})
        raise Failure(
            f"--{option}: {escape_control(name)!r} is not known, and no dead letter has it"
            + (f": did you mean {' or '.join(map(escape_control, others))}?" if others else ""),
            USAGE,
        )


def _resolve(fingerprint: str, seen: _Seen) -> str:
    """Return the whole fingerprint that begins with this one.

    Raises:
        Failure: none begins with it, or several do, or that cannot be known.
    """
    found = [one for one in seen.fingerprints if one.startswith(fingerprint)]
    if len(found) == 1 and (seen.complete or len(fingerprint) == _WHOLE):
        return found[0]
    if len(found) > 1:
        causes = ", ".join(seen.fingerprints[one] for one in found[:_MAX_SUGGESTED])
        more = f" and {len(found) - _MAX_SUGGESTED} more" if len(found) > _MAX_SUGGESTED else ""
        raise Failure(
            f"--fingerprint: {len(found)} fingerprints begin with {fingerprint}: {causes}{more}\nGive more of it",
            USAGE,
        )
    if not seen.complete:
        if len(fingerprint) == _WHOLE:
            return fingerprint
        raise Failure(
            f"--fingerprint: not all dead letters could be read, so others may begin with {fingerprint} too: "
            f"give all {_WHOLE} characters of it",
            USAGE,
        )
    near = get_close_matches(fingerprint, seen.fingerprints, _MAX_SUGGESTED, 0)
    causes = f". The nearest are {', '.join(seen.fingerprints[one] for one in near)}" if near else ""
    raise Failure(f"--fingerprint: no dead letter has {fingerprint}{causes}", USAGE)


def _similar(name: str, known: Collection[str]) -> list[str]:
    """Return the known names that are most like a name, whatever their case."""
    by_case = {one.lower(): one for one in known}
    if name.lower() in by_case:
        return [by_case[name.lower()]]
    return [by_case[one] for one in get_close_matches(name.lower(), by_case)]


def _declared_kinds(at: Target) -> frozenset[str] | None:
    """Return the kinds of the service in this folder; None if it is another one, or cannot be imported."""
    try:
        if at.service is not None and at.service != Project.find(Path.cwd()).name(None):
            return None
        intents = intents_of(None)
    except (Failure, ProjectError):
        return None
    return frozenset(name for one in intents for name in (one.intent_kind, *one.intent_aliases))


def _known_faults() -> frozenset[str]:
    from penstock.consumer.faults.names import fault_names  # noqa: PLC0415 (few commands need Postgres's conditions)

    return fault_names() | {Origin.SQS, Origin.OTHER}
