"""Fixtures of the tests of `penstock top`."""

import pytest


@pytest.fixture(autouse=True)
def _quick_scans(short_polls: None) -> None:
    """Spare each scan the wait at its end."""
