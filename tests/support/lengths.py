"""How long a test runs: as a sample in `make test`, at length in `make campaign`."""

from typing import Any

import pytest

_CAMPAIGN = [pytest.mark.campaign, pytest.mark.timeout(1800)]


def sampled(few: int, many: int) -> list[Any]:
    """Return the values of a parameter that counts trials."""
    return [few, pytest.param(many, marks=_CAMPAIGN)]


def stepped(step: int) -> list[Any]:
    """Return the values of a parameter that is the step from case to case; the campaign tries each."""
    return [step, pytest.param(1, marks=_CAMPAIGN)]
