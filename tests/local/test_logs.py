"""What the functions log: order, new lines only, and functions that could not start."""

import itertools
from pathlib import Path
from typing import Any

import pytest

from penstock.local.logs import FunctionLogs

FUNCTIONS = {"front": "press-local-front", "back": "press-local-back"}


class Missing(Exception):
    """There is no such log group."""


class Client:
    """CloudWatch Logs as far as the reader uses it."""

    class exceptions:  # noqa: N801 (the name is boto3's)
        """The errors of the client."""

        ResourceNotFoundException = Missing

    def __init__(self) -> None:
        self.groups: dict[str, list[dict[str, Any]]] = {}

    def write(self, group: str, stream: str, at: int, *lines: str) -> None:
        events = [{"logStreamName": stream, "timestamp": at, "message": line} for line in lines]
        self.groups.setdefault(group, []).extend(events)

    def filter_log_events(self, *, logGroupName: str, startTime: int, limit: int) -> dict[str, Any]:  # noqa: N803
        if logGroupName not in self.groups:
            raise Missing
        events = [event for event in self.groups[logGroupName] if event["timestamp"] >= startTime]
        return {"events": sorted(events, key=lambda event: event["timestamp"])[:limit]}


@pytest.fixture
def client() -> Client:
    return Client()


@pytest.fixture
def reader(client: Client, tmp_path: Path) -> FunctionLogs:
    """The reader of two functions, one of which has not logged yet."""
    (tmp_path / "aws.log").touch()
    return FunctionLogs(FUNCTIONS, FUNCTIONS, client, tmp_path / "aws.log")


def read(reader: FunctionLogs) -> list[tuple[str, str]]:
    return [(line.function, line.text) for line in reader.read()]


def test_order(client: Client, reader: FunctionLogs) -> None:
    """The lines of all functions come in the order of their time, with the names of serverless.yml."""
    client.write("press-local-front", "1", 30_000, "last\n")
    client.write("press-local-front", "2", 10_000, "first")
    client.write("press-local-back", "1", 20_000, "middle")
    assert read(reader) == [("front", "first"), ("back", "middle"), ("front", "last")]


def test_new_lines_only(client: Client, reader: FunctionLogs) -> None:
    """A second read has the new lines alone: equal lines, and one that was stored late with an earlier time."""
    client.write("press-local-front", "1", 60_000, "same", "same")
    assert read(reader) == [("front", "same"), ("front", "same")]
    assert read(reader) == []
    client.write("press-local-front", "2", 60_000, "same")
    client.write("press-local-front", "3", 59_000, "late")
    assert read(reader) == [("front", "late"), ("front", "same")]
    assert read(reader) == []


def test_follow(client: Client, reader: FunctionLogs) -> None:
    """Following goes on with the lines that come later."""
    client.write("press-local-back", "1", 1_000, "one")
    lines = reader.follow()
    assert next(lines).text == "one"
    client.write("press-local-back", "2", 2_000, "two", "three")
    assert [line.text for line in itertools.islice(lines, 2)] == ["two", "three"]


def test_a_function_that_cannot_start(tmp_path: Path, reader: FunctionLogs) -> None:
    """The reason why a function cannot be imported is there once, without lines of other services."""
    (tmp_path / "aws.log").write_text(
        "2026-11-25 22:39:37 WARNING [kms] cryptography package not installed\n"
        "2026-11-25 22:39:56 ERROR [lambda] Warm worker execution error for press-local-front: "
        "Worker init failed: No module named 'shared'\n"
        "2026-11-25 22:39:57 ERROR [lambda] Warm worker execution error for other-local-front: Worker init\n"
    )
    assert read(reader) == [("front", "Worker init failed: No module named 'shared'")]
    assert read(reader) == []
