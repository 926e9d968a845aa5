"""All details of one dead letter, as `penstock dlq show` prints them."""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any, Final

from rich.text import Text

from penstock.cli.dlq.table import row_of
from penstock.cli.support.layout import paragraph
from penstock.cli.support.listing import terminal
from penstock.cli.support.options import Target
from penstock.cli.support.output import escape_control, print_line
from penstock.cli.support.pretty import pretty
from penstock.cli.support.record import draw_record
from penstock.deadletters import DeadLetterMessage, Origin
from penstock.deadletters.redact import redacted

_OF_THE_LETTER: Final = ("constraint", "table", "column", "first_seen", "function_version")
_TIMES: Final = ("sent_at", "expires_at", "first_seen")


def details_of(found: DeadLetterMessage, retention_seconds: int, *, reveal: bool) -> dict[str, Any]:
    """Return all fields of one dead letter; the payload is redacted unless `reveal` is set."""
    message = found.message
    letter = asdict(found.letter) if found.letter else {}
    return {
        **row_of(found, retention_seconds, reveal=False),
        **{name: letter.get(name) for name in _OF_THE_LETTER},
        "group": message.group,
        "attributes": sorted(message.attributes),
        "body": message.body if reveal else redacted(message.body),
    }


def print_details(values: dict[str, Any], *, as_json: bool) -> None:
    """Print the details of one dead letter on stdout."""
    if as_json:
        print_line(values, as_json=True)
    elif sys.stdout.isatty():
        console = terminal()
        for line in draw_details(values, console.width):
            console.print(line, soft_wrap=True)
    else:
        for name, value in values.items():
            text = ", ".join(value) if isinstance(value, list) else value
            print_line([name, json.dumps(text) if isinstance(text, dict) else text], as_json=False)
        sys.stdout.write("\n")


def draw_details(values: dict[str, Any], width: int) -> Iterator[Text]:
    """Return the lines of the details for a terminal with this number of columns; the payload is at the end."""
    shown = {name: value for name, value in values.items() if name != "body"}
    yield from draw_record(shown | {"attributes": ", ".join(values["attributes"])}, width, times=_TIMES)
    body = values["body"]
    yield Text("body", "dim")
    for line in pretty(body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)):
        text = line.lstrip(" ")
        yield from paragraph(escape_control(text), width, indent=2 + len(line) - len(text), hang=2)
    yield Text()


def follow_up(found: DeadLetterMessage, at: Target) -> str:
    """Return the command that follows after looking at a dead letter."""
    if found.origin == Origin.OTHER:
        return f"penstock dlq export letter.jsonl --id {found.message.message_id}{at.words}"
    return f"penstock dlq replay --id {found.message.message_id} --trial{at.words}"
