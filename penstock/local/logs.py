"""What the deployed functions log, as the local CloudWatch Logs has it."""

import re
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final, Self

from penstock.local.clients import local_client

POLL_SECONDS: Final = 0.5
PAGE: Final = 10_000
# An invocation takes the time of its lines before it stores them, so that they can appear behind later ones.
OVERLAP_MILLISECONDS: Final = 5_000
# A function that cannot be imported logs nothing; the local AWS itself logs why.
FAILURE: Final = re.compile(r"(?P<time>[-\d]+ [:\d]+) ERROR \[lambda\] .* for (?P<name>[^\s:]+): (?P<text>.+)")


@dataclass(frozen=True, slots=True)
class LogLine:
    """A line that a function logged.

    Attributes:
        time: When it was stored, in the local time zone.
        function: The function's name in serverless.yml.
        text: The line.
    """

    time: datetime
    function: str
    text: str


class FunctionLogs:
    """Reads the logs of functions.

    Args:
        functions: The names of the deployed functions by their names in serverless.yml.
        groups: Their log groups by their names in serverless.yml.
        client: The client of CloudWatch Logs. Each invocation has a log stream of its own there.
        aws_log: The log of the local AWS itself.
    """

    def __init__(
        self, functions: Mapping[str, str], groups: Mapping[str, str], client: Any, aws_log: Path
    ) -> None:
        self._functions = functions
        self._groups = groups
        self._client = client
        self._aws_log = aws_log
        self._position = 0
        self._newest: dict[str, int] = {}
        self._printed: Counter[tuple[str, str]] = Counter()

    @classmethod
    def of(cls, functions: Mapping[str, str], endpoint_url: str, region: str, aws_log: Path) -> Self:
        """Return the reader for deployed functions.

        Args:
            functions: The names of the deployed functions by their names in serverless.yml.
            endpoint_url: The endpoint of the local AWS.
            region: The region of the functions.
            aws_log: The log of the local AWS itself.
        """
        configurations = local_client("lambda", endpoint_url, region)
        groups = {
            function: configurations.get_function_configuration(FunctionName=name)["LoggingConfig"]["LogGroup"]
            for function, name in functions.items()
        }
        return cls(functions, groups, local_client("logs", endpoint_url, region), aws_log)

    def read(self) -> list[LogLine]:
        """Return the lines since the last call, oldest first; at the first call all lines."""
        lines = [line for function, group in self._groups.items() for line in self._new(function, group)]
        return sorted([*lines, *self._failures()], key=lambda line: line.time)

    def follow(self) -> Iterator[LogLine]:
        """Yield all lines, and then new ones as they come, without end."""
        while True:
            yield from self.read()
            time.sleep(POLL_SECONDS)

    def _new(self, function: str, group: str) -> Iterator[LogLine]:
        start = max(0, self._newest.get(function, 0) - OVERLAP_MILLISECONDS)
        seen: Counter[tuple[str, str]] = Counter()
        for event in self._events(group, start):
            key = (function, event["logStreamName"])
            seen[key] += 1
            if seen[key] > self._printed[key]:
                self._printed[key] += 1
                self._newest[function] = max(self._newest.get(function, 0), event["timestamp"])
                when = datetime.fromtimestamp(event["timestamp"] / 1000).astimezone()
                yield LogLine(when, function, event["message"].rstrip())

    def _events(self, group: str, start: int) -> list[dict[str, Any]]:
        """Return the stored lines of a log group from a time on, in milliseconds since the epoch."""
        try:
            page: list[dict[str, Any]] = self._client.filter_log_events(
                logGroupName=group, startTime=start, limit=PAGE
            )["events"]
        except self._client.exceptions.ResourceNotFoundException:
            return []  # The group comes with the first line.
        return page

    def _failures(self) -> Iterator[LogLine]:
        """Yield the errors of functions that could not start, since the last call."""
        names = {deployed: function for function, deployed in self._functions.items()}
        with self._aws_log.open(encoding="utf-8", errors="replace") as file:
            file.seek(self._position)
            for line in iter(file.readline, ""):
                self._position = file.tell()
                found = FAILURE.match(line)
                if found and found["name"] in names:
                    when = datetime.fromisoformat(found["time"]).astimezone()
                    yield LogLine(when, names[found["name"]], found["text"])
