"""Serverless variables of the parts, as CloudFormation has them.

`${self:custom.penstock.drain.timeout, 30}` becomes a reference to the parameter `DrainTimeout` with the default
30. A default that is itself made of parameters becomes a condition: CloudFormation has no such defaults. Only the
forms that the parts use are read; any other is an error.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

PREFIX: Final = "self:custom.penstock."

_OPENING: Final = re.compile(r"\$\{(?=(?:self|sls|file)[:(])")
_FILE: Final = re.compile(r"file\(infra/penstock\.yml\):(.+)", re.DOTALL)
_PLAIN: Final = {
    "self:service": ("Service", "The name of the service: a part of the names of functions, queues and secrets"),
    "sls:stage": ("Stage", "The stage: a part of the names of functions, queues and secrets"),
    "sls:instanceId": ("Deployment", "Another text for each deployment, such as its time: a version of the drain"),
}
_TYPES: Final = {
    "vpc.id": "AWS::EC2::VPC::Id",
    "vpc.securityGroupIds": "List<AWS::EC2::SecurityGroup::Id>",
    "vpc.subnetIds": "List<AWS::EC2::Subnet::Id>",
    "vpc.routeTableIds": "CommaDelimitedList",
}


def parameter_name(key: str) -> str:
    """Return the name of the parameter for a key of the block, e.g. `DrainTimeout` for `drain.timeout`."""
    return "".join(part[0].upper() + part[1:] for part in key.split("."))


class VariableError(Exception):
    """A variable has a form that is not known here, or refers to nothing."""


class Variables:
    """The variables of a document.

    Args:
        document: The content of `infra/penstock.yml`.
        given: Values of the block `custom.penstock` that are part of the template, not parameters; nested.

    Attributes:
        parameters: The parameters that resolved values refer to, by name.
        conditions: The conditions that they refer to, by name.
    """

    def __init__(self, document: Mapping[str, Any], given: Mapping[str, Any]) -> None:
        self._document = document
        self._given = given
        self.parameters: dict[str, dict[str, Any]] = {}
        self.conditions: dict[str, Any] = {}

    def resolve(self, value: Any) -> Any:
        """Return a part of the document with all its variables resolved."""
        if isinstance(value, list):
            return [self.resolve(item) for item in value]
        if isinstance(value, str):
            return self._text(value, inside_sub=False)
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("Fn::Sub"), str):
            return _sub(self._text(value["Fn::Sub"], inside_sub=True))
        return {key: self.resolve(item) for key, item in value.items()}

    def at(self, address: str) -> Any:
        """Return what is at an address of the document, resolved.

        Raises:
            VariableError: There is nothing.
        """
        found: Any = self._document
        for step in self._plain(address).split("."):
            found = self.resolve(found) if isinstance(found, str) else found
            if not isinstance(found, dict) or step not in found:
                message = f"infra/penstock.yml has nothing at {address}"
                raise VariableError(message)
            found = found[step]
        return self.resolve(found)

    def parameter(self, name: str, description: str, default: Any = None) -> dict[str, str]:
        """Declare a parameter, and return the reference to it; the default of a later part counts."""
        kind = "Number" if isinstance(default, int | float) else "String"
        declared = {"Type": kind, "Description": description}
        self.parameters[name] = declared if default is None else declared | {"Default": default}
        return {"Ref": name}

    def _plain(self, address: str) -> str:
        text = self._text(address, inside_sub=False)
        if not isinstance(text, str):
            message = f"an address cannot be a parameter: {address}"
            raise VariableError(message)
        return text

    def _text(self, text: str, *, inside_sub: bool) -> Any:
        """Return a string with its variables: the value of the only one, a string, or a string for `Fn::Sub`."""
        pieces = list(_pieces(text))
        if pieces == [("variable", text[2:-1])]:
            return self._evaluate(text[2:-1])
        made = _Text()
        for kind, content in pieces:
            made.add(self._evaluate(content) if kind == "variable" else content)
        return made.value(needs_sub=inside_sub)

    def _evaluate(self, expression: str) -> Any:
        first, *others = (part.strip() for part in _alternatives(expression))
        if first.startswith(PREFIX):
            return self._key(first.removeprefix(PREFIX), ", ".join(others))
        if first in _PLAIN:
            return self.parameter(*_PLAIN[first])
        if address := _FILE.fullmatch(first):
            return self.at(address[1])
        if first.startswith("'") and first.endswith("'"):
            return self._text(first[1:-1], inside_sub=False)
        return _number(first)

    def _key(self, key: str, default: str) -> Any:
        """Return the value of a key of the block: a given one, a structure of the parts, or a parameter."""
        base, _, index = key.partition(".0") if key.endswith(".0") else (key, "", None)
        found = _lookup(self._given, base)
        if found is None and default.startswith("file("):
            return self._evaluate(default)
        value = self._declare(base, default) if found is None else found
        if index is None:
            return value
        return value[0] if isinstance(value, list) else {"Fn::Select": [0, value]}

    def _declare(self, key: str, default: str) -> Any:
        name = parameter_name(key)
        description = f"The key `{key}` in docs/infrastructure.md"
        value = self._evaluate(default) if default else None
        if not isinstance(value, dict):
            reference = self.parameter(name, description, value)
            self.parameters[name]["Type"] = _TYPES.get(key, self.parameters[name]["Type"])
            return reference
        reference = self.parameter(name, f"{description}; empty for its default", "")
        self.conditions[f"Has{name}"] = {"Fn::Not": [{"Fn::Equals": [reference, ""]}]}
        return {"Fn::If": [f"Has{name}", reference, value]}


class _Text:
    """A string that is put together from text and references."""

    def __init__(self) -> None:
        self._text = ""
        self._values: dict[str, Any] = {}
        self._refers = False

    def add(self, value: Any) -> None:
        """Add text, a scalar, or a reference to a parameter."""
        match value:
            case {"Ref": str(name)}:
                self._text += f"${{{name}}}"
            case {"Fn::Sub": str(text)}:
                self._text += text
            case {"Fn::If": [_, {"Ref": str(name)}, _]}:
                self._text += f"${{{name}OrDefault}}"
                self._values[f"{name}OrDefault"] = value
            case dict() | list():
                message = f"a structure cannot be a part of a text: {value}"
                raise VariableError(message)
            case _:
                self._text += str(value)
                return
        self._refers = True

    def value(self, *, needs_sub: bool) -> Any:
        """Return the string; with references it is for `Fn::Sub`."""
        inner = [self._text, self._values] if self._values else self._text
        return inner if needs_sub or not self._refers else {"Fn::Sub": inner}


def _sub(value: Any) -> Any:
    """Return `Fn::Sub` of a text; a text that is one variable has it, or needs none."""
    return {"Fn::Sub": value} if isinstance(value, str | list) else value


def _pieces(text: str) -> "list[tuple[str, str]]":
    """Return the texts and the variables of a string, in order."""
    found, position = [], 0
    while opening := _OPENING.search(text, position):
        end = _closing(text, opening.end())
        found += [("text", text[position : opening.start()]), ("variable", text[opening.end() : end])]
        position = end + 1
    found.append(("text", text[position:]))
    return [(kind, content) for kind, content in found if content]


def _closing(text: str, start: int) -> int:
    depth = 1
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return position
    message = f"a variable does not end: {text}"
    raise VariableError(message)


def _alternatives(expression: str) -> list[str]:
    """Return the parts between commas that are neither in quotes nor in an inner variable."""
    return re.findall(r"(?:'[^']*'|\$\{[^{}]*\}|[^,'])+", expression)


def _number(text: str) -> int | float:
    try:
        return int(text) if text.isdigit() else float(text)
    except ValueError:
        message = f"unknown source of a value: {text}"
        raise VariableError(message) from None


def _lookup(values: Mapping[str, Any], key: str) -> Any:
    found: Any = values
    for step in key.split("."):
        found = found.get(step) if isinstance(found, Mapping) else None
    return found
