"""Values of a template as the rules see them, with references and what only a deployment knows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

_LARGEST: Final = 10**12

NO_VALUE: Final = object()
"""`AWS::NoValue`: the property or item that has it is not there."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """A value that cannot be seen.

    Attributes:
        why: why not.
    """

    why: str


class Named(Protocol):
    """What a reference is to: a resource."""

    @property
    def name(self) -> str:
        """Its name."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A reference to a resource.

    Attributes:
        resource: the resource.
        attribute: the attribute, such as `Arn`; empty for `Ref`.
    """

    resource: Named
    attribute: str = ""

    def __str__(self) -> str:
        return "${" + ".".join(part for part in (self.resource.name, self.attribute) if part) + "}"


Value = Any
"""A resolved value: None, bool, int, float, str, list, dict, `Reference` or `Unknown`.

What is not known inside a text stands there as `${NAME}`."""


def as_number(value: Value) -> int | float | Unknown | None:
    """Return a value as a number: CloudFormation takes numbers as texts too. None stays None."""
    if value is None or isinstance(value, Unknown):
        return value
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _in_range(value)
    if isinstance(value, str):
        return _number_in(value.strip())
    return Unknown("it is not a number")


def as_text(value: Value) -> str | Unknown | None:
    """Return a value as a text; a reference is `${NAME.ATTRIBUTE}`. None stays None."""
    if value is None or isinstance(value, Unknown | str):
        return value
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float | Reference) else Unknown("it is not a text")


def as_flag(value: Value) -> bool | Unknown:
    """Return a value as a boolean: CloudFormation takes `"true"` too. None is False."""
    if isinstance(value, bool | Unknown):
        return value
    if value is None or str(value).lower() == "false":
        return False
    return True if str(value).lower() == "true" else Unknown("it is neither true nor false")


def as_list(value: Value) -> list[Value]:
    """Return a value as a list: one item where CloudFormation takes an item in place of a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def as_mapping(value: Value) -> Mapping[str, Value]:
    """Return a value if it is a mapping, and an empty one otherwise."""
    return value if isinstance(value, dict) else {}


def _number_in(text: str) -> int | float | Unknown:
    try:
        number = float(text)
    except ValueError:
        return Unknown("only a deployment knows it" if "${" in text or "{{" in text else "it is not a number")
    return _in_range(int(number) if number.is_integer() else number)


def _in_range(number: float) -> int | float | Unknown:
    """Return a number if it can be a setting: neither NaN nor infinite, nor too large to compute with."""
    return number if abs(number) <= _LARGEST else Unknown("it is not a number that AWS takes")
