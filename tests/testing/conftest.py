"""The plugin's fixtures on the databases of this repository's tests."""

import pytest


@pytest.fixture
def penstock_database_url(database_url: str) -> str:
    """The test's own database, with the framework's and the shop's tables."""
    return database_url
