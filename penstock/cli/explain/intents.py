"""The intents that `penstock explain` writes: samples, those of a file, or dead letters."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from itertools import islice
from typing import Final

from pydantic import ValidationError
from sqlalchemy import Engine

from penstock.cli.dlq.lookup import look_up
from penstock.cli.dlq.messages import progress_bar, report_missing, report_unseen
from penstock.cli.dlq.selection import Selection
from penstock.cli.emit.line_reader import BadLine, LineReader, name_fields
from penstock.cli.emit.ndjson import InputLine, open_data, read_lines
from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.options import Target
from penstock.cli.support.output import echo_err, escape_control
from penstock.consumer.modes.base import Bound
from penstock.deadletters import scan
from penstock.explain.samples.make import SOURCE, SampleError, make_samples
from penstock.intents import WriteIntent, encode_envelope
from penstock.intents.sealed import unsealed

_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Source:
    """Where the intents come from.

    Attributes:
        rows: how many are made up, or read at most.
        sample: the path of a file, `-` for stdin; None for another source.
        ids: the ids of dead letters.
        chosen: other criteria for dead letters.
        dead_letters: whether all dead letters of the kind are meant, if there are no criteria.
    """

    rows: int
    sample: str | None
    ids: Sequence[str]
    chosen: Selection
    dead_letters: bool

    @property
    def is_made_up(self) -> bool:
        """Whether the intents are made up."""
        return self.sample is None and not self._from_queue

    @property
    def _from_queue(self) -> bool:
        return bool(self.ids) or self.dead_letters or self.chosen.is_given

    def check(self) -> None:
        """Check that there is one source.

        Raises:
            Failure: there are two.
        """
        if self.sample is not None and self._from_queue:
            raise Failure("give either --sample, or the options that select dead letters", USAGE)

    def bodies(self, intent: type[WriteIntent], bound: Bound, engine: Engine, at: Target) -> list[str]:
        """Return the envelopes of the intents.

        Raises:
            Failure: there are none, or one of them is not of this kind.
        """
        if self._from_queue:
            return self._read_dead_letters(intent, at)
        return (
            self._make_up(intent, bound, engine) if self.sample is None else self._read_file(intent, self.sample)
        )

    def _make_up(self, intent: type[WriteIntent], bound: Bound, engine: Engine) -> list[str]:
        try:
            return make_samples(intent, bound, engine, self.rows, seconds=_SECONDS)
        except SampleError as error:
            raise Failure(
                f"no sample of {intent.intent_kind} could be made up: {error}\n"
                "Give the field `examples`, or the intents with --sample FILE or --dead-letters"
            ) from None

    def _read_file(self, intent: type[WriteIntent], file: str) -> list[str]:
        reader = LineReader(intent, None, None)
        with open_data("-" if file == "-" else f"@{file}") as stream:
            bodies = [_envelope(reader, line) for line in islice(read_lines(stream), self.rows)]
        if not bodies:
            raise Failure(f"{file} has no intents", USAGE)
        return bodies

    def _read_dead_letters(self, intent: type[WriteIntent], at: Target) -> list[str]:
        """Read dead letters of the kind; they stay on the queue."""
        names = [intent.intent_kind, *intent.intent_aliases]
        selector = replace(self.chosen, ids=list(self.ids), kinds=names).selector()
        dead = at.open().queues().dead
        selector = look_up(selector, dead, at)
        depth, seen = dead.depth(), 0

        def on_page(count: int) -> None:
            nonlocal seen
            seen += count
            advance(count)

        with (
            progress_bar("reading", depth.total) as advance,
            closing(scan(dead, selector, limit=self.rows, on_page=on_page)) as letters,
        ):
            found = list(letters)
        echo_err("This run counted as one receive of each message that it read.")
        report_unseen(dead, depth, selector, seen=seen, complete=len(found) < self.rows)
        report_missing(selector.ids - {id_ for letter in found for id_ in selector.matching_ids(letter)})
        if not found:
            raise Failure(f"no dead letter of the kind {intent.intent_kind} is selected")
        return [letter.message.body for letter in found]


def _envelope(reader: LineReader, line: InputLine) -> str:
    try:
        intent = reader.parse(line).intent
        return encode_envelope(intent, id=intent.intent_id, source=SOURCE, seal=unsealed)
    except (BadLine, ValidationError) as error:
        why = name_fields(error) if isinstance(error, ValidationError) else str(error)
        raise Failure(f"line {line.number}: {escape_control(why)}") from None
