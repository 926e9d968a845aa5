"""`--where`: dead letters chosen by what they say."""

from typing import Self

from penstock.expressions.exact_json import NotExact, read
from penstock.expressions.jmespath import Expression, NoResult, is_true


class Where:
    """A condition on the whole envelope; build one with `Where.parse`.

    Attributes:
        failed: how many messages it could not be evaluated on, which are none of those that match.
    """

    def __init__(self, expression: Expression) -> None:
        self.failed = 0
        self._expression = expression

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a JMESPath expression, such as "type == 'stock.adjusted' && data.delta < `0`".

        Raises:
            penstock.expressions.jmespath.BadExpression: it is none; the message shows where.
        """
        return cls(Expression(text))

    @property
    def text(self) -> str:
        """The expression as it was given."""
        return self._expression.text

    def matches(self, body: str) -> bool:
        """Tell whether the condition is true of an envelope, as JMESPath has it: 0 is true, what is empty is not.

        Nothing is true of what is no JSON, or what the expression cannot be evaluated on; `failed` counts them.
        """
        try:
            return is_true(self._expression.of(read(body)))
        except (NotExact, NoResult):
            self.failed += 1
            return False
