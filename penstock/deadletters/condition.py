"""`--where`: dead letters selected by their content."""

from typing import Self

from penstock.expressions.exact_json import ExactJsonError, read
from penstock.expressions.jmespath import EvaluationError, Expression, is_true


class Condition:
    """A condition on the whole envelope; create one with `Condition.parse`.

    Attributes:
        failed: how many messages it could not be evaluated on; these do not match.
    """

    def __init__(self, expression: Expression) -> None:
        self.failed = 0
        self._expression = expression

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a JMESPath expression, such as "type == 'stock.adjusted' && data.delta < `0`".

        Raises:
            penstock.expressions.jmespath.BadExpression: the text is not an expression; the message shows where.
        """
        return cls(Expression(text))

    @property
    def text(self) -> str:
        """The text of the expression."""
        return self._expression.text

    def matches(self, body: str) -> bool:
        """Return whether the condition is true for an envelope. In JMESPath 0 is true, and empty values are false.

        A body that is not JSON does not match, nor does one on which the expression fails; `failed` counts these.
        """
        try:
            return is_true(self._expression.evaluate(read(body)))
        except (ExactJsonError, EvaluationError):
            self.failed += 1
            return False
