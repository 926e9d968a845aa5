"""Repositories for the tests of builds, which share their installed dependencies."""

from pathlib import Path

import pytest

from tests.support.repositories import CONSUMER, Repository


@pytest.fixture(scope="session")
def dependencies(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of installed dependencies."""
    return tmp_path_factory.mktemp("dependencies")


@pytest.fixture
def repository(tmp_path: Path, wheel: Path, dependencies: Path) -> Repository:
    """A repository with an artifact for producers."""
    return Repository.make(tmp_path, wheel, dependencies)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory, wheel: Path, dependencies: Path) -> Repository:
    """A repository whose artifacts for producers and consumer are built for the stage `dev`."""
    made = Repository.make(tmp_path_factory.mktemp("built"), wheel, dependencies)
    made.add(CONSUMER)
    made.build()
    return made
