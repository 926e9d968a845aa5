"""The values of a histogram, in a number that can be handed on."""

from collections.abc import Sequence
from typing import Final

MOST_VALUES: Final = 100
"""The most values of one metric in a line (CloudWatch, "Embedded metric format specification")."""


def sample(values: Sequence[float]) -> Sequence[float]:
    """Return the values; of more than a hundred, a hundred of them in even steps from the least to the greatest.

    The extremes are among them, and the percentiles stay what they are.
    """
    if len(values) <= MOST_VALUES:
        return values
    ordered = sorted(values)
    step = (len(ordered) - 1) / (MOST_VALUES - 1)
    return [ordered[round(number * step)] for number in range(MOST_VALUES)]
