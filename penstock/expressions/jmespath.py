"""JMESPath over envelopes, within bounds: an expression is somebody's, and so is what it is applied to.

Whatever is wrong with an expression itself is told before it is applied to anything.
"""

import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, LexerError, ParseError
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

from penstock.expressions.exact_json import NotExact, Number, read, write

_STEPS = 1_000_000
_LENGTH = 4_000_000
"""The most steps that one evaluation takes, and the most characters or elements that a value has on the way."""

_LITERAL = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)


class BadExpression(ValueError):
    """A text is no expression; the message says what is wrong, and where."""


class NoResult(Exception):
    """An expression cannot be evaluated on what it was applied to; the message holds no value of that."""


class Expression:
    """A JMESPath expression (jmespath.org, "JMESPath Specification")."""

    def __init__(self, text: str) -> None:
        """Parse it.

        Raises:
            BadExpression: it is none, or calls a function that there is not.
        """
        self.text = text
        try:
            self._parsed: Mapping[str, Any] = jmespath.compile(text).parsed
            for node in _nodes({"type": "whole", "children": [self._parsed]}):
                _check_call(node)
                _check_references(node)
            for literal in _LITERAL.findall(text):
                _check_numbers(literal)
        except (ParseError, LexerError) as error:
            raise BadExpression(_where(error, text)) from None
        except RecursionError:
            raise BadExpression("the expression is nested too deep") from None
        except JMESPathError as error:
            raise BadExpression(str(error)) from None

    def of(self, value: Any) -> Any:
        """Evaluate it.

        Raises:
            NoResult: a function got what it does not take, or it went on for too long.
        """
        try:
            return _Bounded().visit(self._parsed, value)
        except NoResult:
            raise
        except RecursionError:
            raise NoResult("the expression goes too deep here") from None
        except Exception as error:  # noqa: BLE001 (its text holds values, and jmespath lets any error through)
            raise NoResult(f"the expression cannot be evaluated here: {type(error).__name__}") from None


def is_true(value: Any) -> bool:
    """Tell whether JMESPath takes a value for true: 0 is, what is empty is not ("Or Expressions")."""
    return not (value is None or value is False or value in ("", [], {}))


def _nodes(node: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield node
    for child in node["children"]:
        if isinstance(child, Mapping):
            yield from _nodes(child)


def _check_call(node: Mapping[str, Any]) -> None:
    if node["type"] != "function_expression":
        return
    known = _Functions.FUNCTION_TABLE.get(node["value"])
    if known is None:
        raise BadExpression(f"there is no function {node['value']}()")
    wanted, given = known["signature"], len(node["children"])
    more = bool(wanted) and wanted[-1].get("variadic", False)
    if given < len(wanted) or (given > len(wanted) and not more):
        least = "at least " if more else ""
        raise BadExpression(f"{node['value']}() takes {least}{len(wanted)} arguments, not {given}")


def _check_references(node: Mapping[str, Any]) -> None:
    """Refuse a reference that is no function's argument: it has no value, and would be true of anything."""
    inside = [child["type"] for child in node["children"] if isinstance(child, Mapping)]
    if "expref" in inside and node["type"] != "function_expression":
        raise BadExpression("& belongs into a function's arguments, such as sort_by(items, &sku)")


def _check_numbers(literal: str) -> None:
    """Refuse a number that JMESPath would round (its numbers are doubles)."""
    try:
        values = [read(literal)]
    except NotExact:
        return
    while values:
        value = values.pop()
        values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if isinstance(value, Number) and Decimal(value.written) != Decimal(float(value).__repr__()):
            raise BadExpression(f"the number {value.written} would be rounded: in a JSON Patch it is not")


def _where(error: ParseError, text: str) -> str:
    position = len(text) if error.lex_position is None else error.lex_position
    what = getattr(error, "message", None) or "it cannot be read from here on"
    return f"{what}, at column {position + 1}:\n  {text}\n  {' ' * position}^"


class _Functions(Functions):
    @signature({"types": []})
    def _func_to_string(self, value: Any) -> Any:
        return value if isinstance(value, str) else write(value, _LENGTH)


class _Bounded(TreeInterpreter):
    """Evaluates step by step, and not for ever."""

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_Functions()))
        self._left = _STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Take one step."""
        self._left -= 1
        value = super().visit(node, *args, **kwargs)
        if self._left < 0 or _length(value) > _LENGTH:
            raise NoResult("the expression makes too much of this")
        return value


def _length(value: Any) -> int:
    """Measure a value with what is right inside it, which one more step may join into one."""
    if isinstance(value, list):
        return len(value) + sum(len(inner) for inner in value if isinstance(inner, str | list))
    return len(value) if isinstance(value, str) else 0
