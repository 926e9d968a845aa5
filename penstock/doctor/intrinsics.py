"""CloudFormation's intrinsic functions, as far as a template alone can say what they return.

AWS CloudFormation User Guide, "Intrinsic function reference". A function that is not here returns `Unknown`.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

from penstock.doctor.values import NO_VALUE, Unknown, Value, as_number, as_text

_VARIABLE: Final = re.compile(r"\$\{([^!{}][^{}]*)\}")
_LITERAL: Final = re.compile(r"\$\{!([^{}]*)\}")


class Scope(Protocol):
    """The stack that a function is in."""

    def resolve(self, value: Any) -> Value:
        """Return a value, resolved."""

    def parameter(self, name: str) -> Value:
        """Return the value of a parameter; `NO_VALUE` if there is no such parameter."""

    def pseudo_parameter(self, name: str) -> Value:
        """Return a parameter of AWS's own, such as `AWS::Region`."""

    def condition(self, name: str) -> bool | None:
        """Return whether a condition holds; None if that is not known."""

    def attribute(self, name: str, attribute: str) -> Value:
        """Return the attribute of a resource; the attribute is empty for `Ref`."""

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the template; an empty one if there is none."""


def is_function(value: Mapping[Any, Any]) -> bool:
    """Return whether a mapping is a call of a function."""
    if len(value) != 1:
        return False
    (name,) = value
    return isinstance(name, str) and (name in _FUNCTIONS or name.startswith("Fn::"))


def evaluate(scope: Scope, value: Mapping[str, Any]) -> Value:
    """Return what a function returns."""
    ((name, argument),) = value.items()
    function = _FUNCTIONS.get(name)
    return Unknown(f"only a deployment knows {name}") if function is None else function(scope, argument)


def names_in(value: Mapping[Any, Any]) -> list[str]:
    """Return the names that a function itself refers to; not those in its arguments."""
    match value:
        case {"Ref": str(name)} | {"Fn::GetAtt": [str(name), *_]}:
            return [name]
        case {"Fn::GetAtt": str(text)}:
            return [text.partition(".")[0]]
        case {"Fn::Sub": str(text)}:
            return [name.strip().partition(".")[0] for name in _VARIABLE.findall(text)]
    return []


def _ref(scope: Scope, name: Any) -> Value:
    if not isinstance(name, str):
        return Unknown("a Ref does not name anything")
    if name.startswith("AWS::"):
        return scope.pseudo_parameter(name)
    if (found := scope.parameter(name)) is not NO_VALUE:
        return found
    return scope.attribute(name, "")


def _get_att(scope: Scope, argument: Any) -> Value:
    parts = argument.split(".", 1) if isinstance(argument, str) else argument
    if not (isinstance(parts, list) and len(parts) == 2 and all(isinstance(part, str) for part in parts)):  # noqa: PLR2004
        return Unknown("a Fn::GetAtt does not name anything")
    return scope.attribute(*parts)


def _sub(scope: Scope, argument: Any) -> Value:
    text, names = argument if isinstance(argument, list) and len(argument) == 2 else (argument, {})  # noqa: PLR2004
    if not (isinstance(text, str) and isinstance(names, Mapping)):
        return Unknown("a Fn::Sub has no text")

    def value_of(name: str) -> Value:
        return scope.resolve(names[name]) if name in names else _named(scope, name)

    def replace(found: re.Match[str]) -> str:
        name = found[1].strip()
        made = as_text(value_of(name))
        return made if isinstance(made, str) else f"${{{name}}}"

    if alone := _VARIABLE.fullmatch(text):
        return value_of(alone[1].strip())

    return _LITERAL.sub(r"${\1}", _VARIABLE.sub(replace, text))


def _named(scope: Scope, name: str) -> Value:
    return scope.resolve({"Fn::GetAtt": name} if "." in name else {"Ref": name})


def _join(scope: Scope, argument: Any) -> Value:
    separator, parts = argument if isinstance(argument, list) and len(argument) == 2 else (None, None)  # noqa: PLR2004
    items = scope.resolve(parts)
    if not (isinstance(separator, str) and isinstance(items, list)):
        return Unknown("only a deployment knows what Fn::Join joins")
    texts = [as_text(item) for item in items]
    return separator.join(text if isinstance(text, str) else "${?}" for text in texts)


def _select(scope: Scope, argument: Any) -> Value:
    given = argument if isinstance(argument, list) and len(argument) == 2 else (None, None)  # noqa: PLR2004
    index, items = as_number(scope.resolve(given[0])), scope.resolve(given[1])
    if isinstance(index, int) and isinstance(items, list) and 0 <= index < len(items):
        return items[index]
    return Unknown("only a deployment knows what Fn::Select selects")


def _split(scope: Scope, argument: Any) -> Value:
    separator, given = argument if isinstance(argument, list) and len(argument) == 2 else (None, None)  # noqa: PLR2004
    text = scope.resolve(given)
    if isinstance(separator, str) and separator and isinstance(text, str) and "${" not in text:
        return text.split(separator)
    return Unknown("only a deployment knows what Fn::Split splits")


def _find_in_map(scope: Scope, argument: Any) -> Value:
    keys = [scope.resolve(one) for one in argument[:3]] if isinstance(argument, list) else []
    found: Any = scope.section("Mappings")
    for key in keys:
        found = found.get(key) if isinstance(found, Mapping) and isinstance(key, str) else None
    known = keys and found is not None and not isinstance(found, Mapping)
    return scope.resolve(found) if known else Unknown("only a deployment knows what Fn::FindInMap finds")


def _if(scope: Scope, argument: Any) -> Value:
    if not (isinstance(argument, list) and len(argument) == 3 and isinstance(argument[0], str)):  # noqa: PLR2004
        return Unknown("a Fn::If names no condition")
    name, then, otherwise = argument
    holds = scope.condition(name)
    if holds is not None:
        return scope.resolve(then if holds else otherwise)
    one, other = scope.resolve(then), scope.resolve(otherwise)
    return one if one == other else Unknown(f"only a deployment knows whether the condition {name} holds")


def _equals(scope: Scope, argument: Any) -> Value:
    sides = [as_text(scope.resolve(one)) for one in argument] if isinstance(argument, list) else []
    known = len(sides) == 2 and all(isinstance(one, str) and "${" not in one for one in sides)  # noqa: PLR2004
    return sides[0] == sides[1] if known else Unknown("only a deployment knows the values of a condition")


def _conditions(scope: Scope, argument: Any) -> list[Value]:
    found = scope.resolve(argument)
    return found if isinstance(found, list) else []


def _not(scope: Scope, argument: Any) -> Value:
    found = _conditions(scope, argument)
    return not found[0] if len(found) == 1 and isinstance(found[0], bool) else Unknown("a condition is not known")


def _all(scope: Scope, argument: Any) -> Value:
    return _decide(_conditions(scope, argument), decisive=False)


def _any(scope: Scope, argument: Any) -> Value:
    return _decide(_conditions(scope, argument), decisive=True)


def _decide(found: list[Value], *, decisive: bool) -> Value:
    """Return the value that decides if a condition has it, and what is left if all of them are known."""
    if any(one is decisive for one in found):
        return decisive
    known = found and all(isinstance(one, bool) for one in found)
    return (not decisive) if known else Unknown("a condition is not known")


def _condition(scope: Scope, name: Any) -> Value:
    found = scope.condition(name) if isinstance(name, str) else None
    return Unknown(f"only a deployment knows whether the condition {name} holds") if found is None else found


_FUNCTIONS: Final[Mapping[str, Callable[[Scope, Any], Value]]] = {
    "Ref": _ref,
    "Condition": _condition,
    "Fn::And": _all,
    "Fn::Equals": _equals,
    "Fn::FindInMap": _find_in_map,
    "Fn::GetAtt": _get_att,
    "Fn::If": _if,
    "Fn::Join": _join,
    "Fn::Not": _not,
    "Fn::Or": _any,
    "Fn::Select": _select,
    "Fn::Split": _split,
    "Fn::Sub": _sub,
}
