"""`--edit`: one correction for many dead letters, which then must be what the service takes.

What is edited stays the same intent: its id and source, by which the ledger knows it, are not to be changed.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

from jsonpatch import JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import JsonPointerException

from penstock.deadletters.edit.errors import EditRefused
from penstock.expressions.exact_json import NotExact, read, write
from penstock.expressions.jmespath import BadExpression, Expression, NoResult
from penstock.intents import Contract, EnvelopeError
from penstock.queue import MESSAGE_LIMIT_BYTES

MAY_CHANGE = frozenset({"type", "time", "dataversion", "data"})
"""The fields of an envelope that an edit may change."""

_Change: TypeAlias = Callable[[dict[str, Any]], Any]


class Edit:
    """A change to envelopes; build one with `Edit.parse`."""

    def __init__(self, change: _Change) -> None:
        self._change = change

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an edit.

        Args:
            text: a JSON Patch (RFC 6902), which is a JSON list; or a JMESPath expression that yields the new
                envelope out of the old one, such as "merge(@, {data: merge(data, {quantity: `1`})})"; or `@` and
                the name of a file that holds either.

        Raises:
            penstock.expressions.jmespath.BadExpression: it is neither.
        """
        given = _content(text).strip()
        return cls(_patch(given) if given.startswith("[") else _expression(given))

    def apply(self, body: str, contract: Contract) -> str:
        """Return the message that the edit makes of this one.

        Numbers that the edit leaves alone stay as they were written. A claim on data elsewhere has no `data` here:
        an edit of it finds none.

        Args:
            body: the text of an envelope.
            contract: reads envelopes as the drain does; `Drain.contract`.

        Raises:
            EditRefused: the body is no envelope, the edit cannot be applied to it or changes who it is, or what
                comes of it is not one that the drain could read.
        """
        before, after = _object(body), self._apply(body)
        changed = {name for name in {*before, *after} - MAY_CHANGE if _differs(before, after, name)}
        if changed:
            raise EditRefused(f"an edit may not change {', '.join(map(_named, sorted(changed)))}")
        return _checked(_written(after), contract)

    def _apply(self, body: str) -> dict[str, Any]:
        after = self._change(_object(body))
        if not isinstance(after, dict):
            raise EditRefused("the edit yields no JSON object")
        return after


def _content(text: str) -> str:
    """Return what a text that begins with @ names; in JMESPath, too, it may begin with one."""
    name = text.strip().removeprefix("@")
    if not text.strip().startswith("@") or not _is_file(name):
        return text
    try:
        return Path(name).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise BadExpression(f"{name} cannot be read: {type(error).__name__}") from None


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def _expression(text: str) -> _Change:
    try:
        expression = Expression(text)
    except BadExpression as error:
        missing = f"there is no file {text[1:]}, and as an expression: " if text.startswith("@") else ""
        raise BadExpression(f"{missing}{error}") from None

    def change(envelope: dict[str, Any]) -> Any:
        try:
            return expression.of(envelope)
        except NoResult as failed:
            raise EditRefused(str(failed)) from None

    return change


def _patch(text: str) -> _Change:
    try:
        operations = read(text)
        JsonPatch(operations)
    except NotExact as error:
        raise BadExpression(f"a JSON Patch is a JSON list of operations; this is {error}") from None
    except (JsonPatchException, JsonPointerException) as error:
        raise BadExpression(f"no JSON Patch (RFC 6902): {error}") from None
    if not operations:
        raise BadExpression("no JSON Patch (RFC 6902): the list is empty")
    for number, operation in enumerate(operations, 1):
        _check_whole(number, operation)

    def change(envelope: dict[str, Any]) -> Any:
        return _patched(envelope, operations)

    return change


def _check_whole(number: int, operation: Mapping[str, Any]) -> None:
    needed = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from"}
    member = needed.get(operation["op"])
    if member and member not in operation:
        raise BadExpression(f"no JSON Patch (RFC 6902): operation {number} has no {member!r}")


def _patched(envelope: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """Apply one operation after the other: what they copy may not grow without end."""
    for number, operation in enumerate(operations, 1):
        where = f"operation {number} ({operation['op']} {operation['path']})"
        try:
            envelope = JsonPatch([operation]).apply(envelope)
        except JsonPatchTestFailed:
            raise EditRefused(f"{where}: the test fails") from None
        except (JsonPatchException, JsonPointerException, RecursionError):
            raise EditRefused(f"{where} cannot be applied") from None
        if operation["op"] == "copy":
            _written(envelope)
    return envelope


def _object(body: str) -> dict[str, Any]:
    try:
        envelope = read(body)
    except NotExact as error:
        raise EditRefused(f"the message cannot be edited: {error}") from None
    if not isinstance(envelope, dict):
        raise EditRefused("the message cannot be edited: it is no JSON object")
    return envelope


def _differs(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> bool:
    missing = object()
    was, is_ = before.get(name, missing), after.get(name, missing)
    return type(was) is not type(is_) or was != is_


def _named(name: str) -> str:
    return name if name.isascii() and name.isalnum() else "a field of another name"


def _written(envelope: Any) -> str:
    try:
        return write(envelope, MESSAGE_LIMIT_BYTES)
    except NotExact as error:
        raise EditRefused(f"what the edit yields cannot be sent: {error}") from None


def _checked(text: str, contract: Contract) -> str:
    try:
        contract.decode(text)
    except EnvelopeError as error:
        named = f": {', '.join(error.fields)}" if error.fields else ""
        raise EditRefused(f"what the edit yields would be refused, {error.reason}{named}") from None
    except Exception as error:  # noqa: BLE001 (a validator of the service's own may raise anything)
        raise EditRefused(f"what the edit yields breaks a validator: {type(error).__name__}") from None
    return text
