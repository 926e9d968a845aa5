"""What an edit changes in a message, field by field."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from penstock.deadletters.redact import HEAD, redacted_name, shape_of
from penstock.expressions.exact_json import ExactJsonError, read, write
from penstock.queue import MESSAGE_LIMIT_BYTES

ADD: Final = "add"
REMOVE: Final = "remove"
REPLACE: Final = "replace"


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field that an edit adds, removes or replaces.

    Attributes:
        op: what happens to it, in the words of a JSON Patch (RFC 6902).
        path: the names and positions that lead to it; a name may hold personal data, too.
        before: its value before the edit; it may hold personal data.
        after: its value after the edit; likewise.
    """

    op: Literal["add", "remove", "replace"]
    path: tuple[str | int, ...] = field(repr=False)
    before: Any = field(default=None, repr=False)
    after: Any = field(default=None, repr=False)

    def name(self, *, reveal: bool) -> str:
        """Return the path with dots, such as `data.items.0.sku`."""
        return ".".join(self._names(reveal=reveal)) or "(all)"

    def texts(self, *, reveal: bool) -> tuple[str | None, str | None]:
        """Return the value before and after as JSON, or their types and lengths; None where there is none."""
        shown = self._is_shown(reveal=reveal)
        before, after = (_as_json(value if shown else shape_of(value)) for value in (self.before, self.after))
        return None if self.op == ADD else before, None if self.op == REMOVE else after

    def operation(self, *, reveal: bool) -> dict[str, Any]:
        """Return it as an operation of a JSON Patch, whose numbers `exact_json.write` keeps as they are.

        Without `reveal` it has `shape` in place of `value`, so that nobody applies it by mistake.
        """
        pointer = "".join(f"/{name.replace('~', '~0').replace('/', '~1')}" for name in self._names(reveal=reveal))
        known = {"op": self.op, "path": pointer}
        if self.op == REMOVE:
            return known
        shown = self._is_shown(reveal=reveal)
        return known | ({"value": self.after} if shown else {"shape": shape_of(self.after)})

    def _is_shown(self, *, reveal: bool) -> bool:
        return reveal or (len(self.path) == 1 and self.path[0] in HEAD)

    def _names(self, *, reveal: bool) -> Iterator[str]:
        for name in self.path:
            yield str(name) if reveal or isinstance(name, int) else redacted_name(name)


def changes(before: str, after: str) -> Sequence[FieldChange]:
    """Return what differs between two messages. Lists of different lengths are one change.

    Args:
        before: the text of a message, as JSON.
        after: the same for the edited message.

    Raises:
        penstock.expressions.exact_json.ExactJsonError: one of the texts is not JSON, or is nested too deep.
    """
    try:
        return list(_differences(read(before), read(after), ()))
    except RecursionError:
        raise ExactJsonError("nested too deep") from None


def _differences(before: Any, after: Any, path: tuple[str | int, ...]) -> Iterator[FieldChange]:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before:
            if name not in after:
                yield FieldChange(REMOVE, (*path, name), before=before[name])
            else:
                yield from _differences(before[name], after[name], (*path, name))
        for name in after:
            if name not in before:
                yield FieldChange(ADD, (*path, name), after=after[name])
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for position, pair in enumerate(zip(before, after, strict=True)):
            yield from _differences(*pair, (*path, position))
    elif _as_json(before) != _as_json(after):
        yield FieldChange(REPLACE, path, before=before, after=after)


def _as_json(value: Any) -> str:
    # Also tells 1 from 1.0 and from true, which are equal in Python.
    return write(value, 2 * MESSAGE_LIMIT_BYTES)
