"""`--edit`: one correction for many dead letters. The result has to be valid for the service's contract.

An edited message stays the same intent: an edit may not change the id and the source, which identify it in the
ledger.
"""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self, TypeAlias

from jsonpatch import JsonPatch, JsonPatchException, JsonPatchTestFailed
from jsonpointer import JsonPointerException

from penstock.deadletters.edit.errors import EditRefused
from penstock.expressions.exact_json import ExactJsonError, read, write
from penstock.expressions.jmespath import BadExpression, EvaluationError, Expression
from penstock.intents import Contract, EnvelopeError
from penstock.intents.sealed import token_of
from penstock.queue import MESSAGE_LIMIT_BYTES

MAY_CHANGE = frozenset({"type", "time", "dataversion", "expirytime", "data"})
"""The fields of an envelope that an edit may change."""

_Change: TypeAlias = Callable[[dict[str, Any]], Any]


class Edit:
    """A change to envelopes; create one with `Edit.parse`.

    Attributes:
        text: the patch or the expression itself, for a record.
    """

    def __init__(self, change: _Change, text: str) -> None:
        self.text = text
        self._change = change

    @classmethod
    def parse(cls, text: str, *, files: bool = True) -> Self:
        """Parse an edit.

        Args:
            text: a JSON Patch (RFC 6902), which is a JSON list; or a JMESPath expression that yields the new
                envelope from the old one, such as "merge(@, {data: merge(data, {quantity: `1`})})"; or `@` and the
                name of a file that contains either.
            files: whether the text may name a file.

        Raises:
            penstock.expressions.jmespath.BadExpression: the text is neither.
        """
        source = (_content(text) if files else text).strip()
        return cls(_parse_patch(source) if source.startswith("[") else _parse_expression(source), source)

    def apply(self, body: str, contract: Contract) -> str:
        """Return the edited message.

        Numbers that the edit does not change keep their text. An envelope whose payload is in S3 has no `data`, so
        that an edit of its data is refused.

        Args:
            body: the text of an envelope.
            contract: decodes envelopes as the drain does; `Drain.contract`.

        Raises:
            EditRefused: the body is not an envelope, the edit cannot be applied to it or changes a field that
                identifies it, or the drain could not decode the result.
        """
        # The edit gets a copy of its own, because a JSON Patch may change it in place.
        before, after = _parse_object(body), self._change(_parse_object(body))
        if not isinstance(after, dict):
            raise EditRefused("the edit does not yield a JSON object")
        changed = {name for name in {*before, *after} - MAY_CHANGE if _differs(before, after, name)}
        if changed:
            raise EditRefused(f"an edit may not change {', '.join(map(_printable_name, sorted(changed)))}")
        if _sealed(before) != _sealed(after):
            raise EditRefused("an edit may not change an encrypted field")
        edited = _serialize(after)
        _validate(edited, contract)
        return edited


def _content(text: str) -> str:
    """Return the content of the file if the text is @ and a file's name. An expression may begin with @, too."""
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


def _parse_expression(text: str) -> _Change:
    try:
        expression = Expression(text)
    except BadExpression as error:
        missing = f"there is no file {text[1:]}, and as an expression: " if text.startswith("@") else ""
        raise BadExpression(f"{missing}{error}") from None

    def change(envelope: dict[str, Any]) -> Any:
        try:
            return expression.evaluate(envelope)
        except EvaluationError as error:
            raise EditRefused(str(error)) from None

    return change


def _parse_patch(text: str) -> _Change:
    try:
        operations = read(text)
        JsonPatch(operations)
    except ExactJsonError as error:
        raise BadExpression(f"a JSON Patch is a JSON list of operations; this text is {error}") from None
    except (JsonPatchException, JsonPointerException) as error:
        raise BadExpression(f"not a JSON Patch (RFC 6902): {error}") from None
    if not operations:
        raise BadExpression("not a JSON Patch (RFC 6902): the list is empty")
    for number, operation in enumerate(operations, 1):
        _require_member(number, operation)
    return lambda envelope: _apply_patch(envelope, operations)


def _require_member(number: int, operation: Mapping[str, Any]) -> None:
    required = {"add": "value", "replace": "value", "test": "value", "move": "from", "copy": "from"}
    member = required.get(operation["op"])
    if member and member not in operation:
        raise BadExpression(f"not a JSON Patch (RFC 6902): operation {number} has no {member!r}")


def _apply_patch(envelope: Any, operations: Sequence[Mapping[str, Any]]) -> Any:
    """Apply the operations one by one; check the size after each copy, because copies can grow exponentially."""
    for number, operation in enumerate(operations, 1):
        where = f"operation {number} ({operation['op']} {operation['path']})"
        try:
            envelope = JsonPatch([operation]).apply(envelope)
        except JsonPatchTestFailed:
            raise EditRefused(f"{where}: the test fails") from None
        except (JsonPatchException, JsonPointerException, RecursionError):
            raise EditRefused(f"{where} cannot be applied") from None
        if operation["op"] == "copy":
            _serialize(envelope)
    return envelope


def _parse_object(body: str) -> dict[str, Any]:
    try:
        envelope = read(body)
    except ExactJsonError as error:
        raise EditRefused(f"the message cannot be edited: {error}") from None
    if not isinstance(envelope, dict):
        raise EditRefused("the message cannot be edited: it is not a JSON object")
    return envelope


def _differs(before: Mapping[str, Any], after: Mapping[str, Any], name: str) -> bool:
    missing = object()
    was, is_ = before.get(name, missing), after.get(name, missing)
    return type(was) is not type(is_) or was != is_


def _sealed(envelope: Mapping[str, Any]) -> dict[str, str]:
    """Return the tokens of the encrypted fields."""
    data = envelope.get("data")
    fields = data.items() if isinstance(data, dict) else ()
    return {name: token for name, value in fields if (token := token_of(value))}


def _printable_name(name: str) -> str:
    return name if name.isascii() and name.isalnum() else "a field of another name"


def _serialize(envelope: Any) -> str:
    try:
        return write(envelope, MESSAGE_LIMIT_BYTES)
    except ExactJsonError as error:
        raise EditRefused(f"the result of the edit cannot be sent: {error}") from None


def _validate(text: str, contract: Contract) -> None:
    try:
        contract.without_keys.decode(text)
    except EnvelopeError as error:
        fields = f": {', '.join(error.fields)}" if error.fields else ""
        raise EditRefused(f"the result of the edit would be refused, {error.reason}{fields}") from None
    except Exception as error:  # noqa: BLE001 (the service's own validators may raise anything)
        raise EditRefused(f"the result of the edit fails in a validator: {type(error).__name__}") from None
