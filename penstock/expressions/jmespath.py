"""JMESPath over envelopes, with limits on time and size, because expressions and envelopes come from outside.

An error in an expression itself is raised when it is parsed, before any evaluation.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import jmespath
from jmespath.exceptions import JMESPathError, LexerError, ParseError
from jmespath.functions import Functions, signature
from jmespath.visitor import Options, TreeInterpreter

from penstock.expressions.exact_json import ExactJsonError, Number, read, write

_MAX_STEPS = 1_000_000
"""The maximum number of steps of one evaluation."""
_MAX_LENGTH = 4_000_000
"""The maximum number of characters or elements of any value during an evaluation."""

_LITERAL = re.compile(r"`((?:[^`\\]|\\.)*)`", re.DOTALL)


class BadExpression(ValueError):
    """A text is not a valid expression; the message says what is wrong, and where."""


class EvaluationError(Exception):
    """An expression cannot be evaluated on a value; the error message contains no part of the value."""


class Expression:
    """A JMESPath expression (jmespath.org, "JMESPath Specification")."""

    def __init__(self, text: str) -> None:
        """Parse the expression.

        Raises:
            BadExpression: the text is not an expression, or it calls an unknown function.
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
            raise BadExpression(_describe(error, text)) from None
        except RecursionError:
            raise BadExpression("the expression is nested too deep") from None
        except JMESPathError as error:
            raise BadExpression(str(error)) from None

    def evaluate(self, value: Any) -> Any:
        """Evaluate the expression on a value.

        Raises:
            EvaluationError: a function got an argument of the wrong type, or the evaluation exceeded a limit.
        """
        try:
            return _Bounded().visit(self._parsed, value)
        except EvaluationError:
            raise
        except RecursionError:
            raise EvaluationError("the expression is nested too deep here") from None
        except Exception as error:  # noqa: BLE001 (its text contains values, and jmespath lets any error through)
            raise EvaluationError(f"the expression cannot be evaluated here: {type(error).__name__}") from None


def is_true(value: Any) -> bool:
    """Return whether a value is true in JMESPath: 0 is true, an empty value is false ("Or Expressions")."""
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
    parameters, given = known["signature"], len(node["children"])
    is_variadic = bool(parameters) and parameters[-1].get("variadic", False)
    if given < len(parameters) or (given > len(parameters) and not is_variadic):
        least = "at least " if is_variadic else ""
        raise BadExpression(f"{node['value']}() takes {least}{len(parameters)} arguments, not {given}")


def _check_references(node: Mapping[str, Any]) -> None:
    """Refuse a reference outside of a function's arguments: it has no value, and would always be true."""
    inside = [child["type"] for child in node["children"] if isinstance(child, Mapping)]
    if "expref" in inside and node["type"] != "function_expression":
        raise BadExpression("& is only allowed in a function's arguments, such as sort_by(items, &sku)")


def _check_numbers(literal: str) -> None:
    """Refuse a number that JMESPath would round, because its numbers are doubles."""
    try:
        values = [read(literal)]
    except ExactJsonError:
        return
    while values:
        value = values.pop()
        values += value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
        if isinstance(value, Number) and Decimal(value.text) != Decimal(float(value).__repr__()):
            raise BadExpression(f"JMESPath would round the number {value.text}; a JSON Patch does not")


def _describe(error: ParseError, text: str) -> str:
    position = len(text) if error.lex_position is None else error.lex_position
    what = getattr(error, "message", None) or "invalid from here on"
    return f"{what}, at column {position + 1}:\n  {text}\n  {' ' * position}^"


class _Functions(Functions):
    def __init__(self, count: Callable[[Any], None]) -> None:
        super().__init__()
        self._count = count

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: Any, search: Any) -> Any:
        self._count(subject)
        return search in subject

    @signature({"types": []})
    def _func_to_string(self, value: Any) -> Any:
        return value if isinstance(value, str) else write(value, _MAX_LENGTH)


class _Bounded(TreeInterpreter):
    """An interpreter that stops when an evaluation exceeds a limit."""

    def __init__(self) -> None:
        super().__init__(Options(custom_functions=_Functions(self._count)))
        self._left = _MAX_STEPS

    def visit(self, node: Any, *args: Any, **kwargs: Any) -> Any:
        """Evaluate one node."""
        self._left -= 1
        value = super().visit(node, *args, **kwargs)
        if self._left < 0 or _length(value) > _MAX_LENGTH:
            raise EvaluationError("the expression yields too much here")
        return value

    def visit_comparator(self, node: Any, value: Any) -> Any:
        """Compare two values, whose elements count as steps: the same list may be in a value 2^31 times."""
        if node["value"] not in {"eq", "ne"}:
            return super().visit_comparator(node, value)
        left, right = (self.visit(child, value) for child in node["children"])
        self._count(left)
        return self.COMPARATOR_FUNC[node["value"]](left, right)

    def _count(self, value: Any) -> None:
        """Count each element of a value as a step, as often as a comparison would reach it."""
        waiting = [value]
        while waiting:
            self._left -= 1
            if self._left < 0:
                raise EvaluationError("the expression compares too much here")
            one = waiting.pop()
            waiting += one.values() if isinstance(one, dict) else one if isinstance(one, list) else ()


def _length(value: Any) -> int:
    """Return the length of a value and its direct elements, which one more step may join into one value."""
    if isinstance(value, list):
        return len(value) + sum(len(inner) for inner in value if isinstance(inner, str | list))
    return len(value) if isinstance(value, str) else 0
