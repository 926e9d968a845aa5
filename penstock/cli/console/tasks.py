"""Work that takes longer than a page should: a scan of the dead letters, a replay, the breaker."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import count
from typing import Any, Final

from penstock.cli.operate.causes import Survey
from penstock.cli.support.explanation import explain, redact

_PATIENCE_SECONDS: Final = 10.0
"""A page of a replay, and the return of its leases, take less time."""


class Interrupted(Exception):
    """The console ends."""


@dataclass
class Task:
    """Something that runs, or ran.

    Attributes:
        number: its number in this console.
        title: what it does, in a phrase.
        about: more about it, for its page.
        begun_at: when it began.
        progress: the newest of what it reported.
        result: what it returned; None while it runs, and after an error.
        error: why it failed, for people; "" if it did not.
        is_over: whether it ended.
    """

    number: int
    title: str
    about: dict[str, Any] = field(default_factory=dict)
    begun_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    progress: Any = None
    result: Any = None
    error: str = ""
    is_over: bool = False
    _stopping: threading.Event = field(default_factory=threading.Event, repr=False)
    _thread: threading.Thread | None = field(default=None, repr=False)

    def report(self, progress: Any) -> None:
        """Keep what the work reports."""
        self.progress = progress

    def stop(self) -> None:
        """Ask it to stop."""
        self._stopping.set()

    @property
    def is_stopping(self) -> bool:
        """Whether it was asked to stop."""
        return self._stopping.is_set()

    def wait(self, seconds: float) -> bool:
        """Wait up to this long for the request to stop, and return whether there is one."""
        return self._stopping.wait(seconds)

    def start(self, work: "Callable[[Task], Any]") -> None:
        """Run the work in a thread."""
        self._thread = threading.Thread(target=self._run, args=(work,), name="penstock-console-task", daemon=True)
        self._thread.start()

    def join(self, seconds: float) -> None:
        """Wait up to this long for its end."""
        if self._thread:
            self._thread.join(seconds)

    def _run(self, work: "Callable[[Task], Any]") -> None:
        try:
            self.result = work(self)
        except Exception as error:  # noqa: BLE001 (the page shows it)
            self.error = redact(explain(error)[0])
        finally:
            self.is_over = True


class Tasks:
    """The tasks of a console. One that changes something runs alone."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._tasks: dict[int, Task] = {}

    def begin(self, title: str, work: Callable[[Task], Any], **about: Any) -> Task | None:
        """Begin a task; return None if another one runs."""
        with self._lock:
            if self.running:
                return None
            task = Task(next(self._numbers), title, about)
            self._tasks[task.number] = task
        task.start(work)
        return task

    @property
    def running(self) -> Task | None:
        """The task that runs, if one does."""
        return next((task for task in reversed(self._tasks.values()) if not task.is_over), None)

    @property
    def all(self) -> list[Task]:
        """All tasks, the newest first."""
        return list(reversed(self._tasks.values()))

    def find(self, number: int) -> Task | None:
        """Return a task by its number; None if there is none."""
        return self._tasks.get(number)

    def stop(self) -> None:
        """Ask the task that runs to stop, and wait for it."""
        if running := self.running:
            running.stop()
            running.join(_PATIENCE_SECONDS)


class Surveys:
    """The newest scan of the dead letters: it is read on demand, since each scan leases every message."""

    def __init__(self, read: Callable[[Callable[[int], None]], Survey]) -> None:
        """Take what scans; its argument is called with the number of messages of each page."""
        self._read = read
        self._lock = threading.Lock()
        self._numbers = count(1)
        self._task: Task | None = None
        self.latest: Survey | None = None
        self.read_at: datetime | None = None

    @property
    def reading(self) -> Task | None:
        """The scan that runs, or that failed last."""
        return self._task if self._task and (not self._task.is_over or self._task.error) else None

    def look(self) -> tuple[Task | None, Survey | None]:
        """Scan if nothing was ever read; return the scan that runs or that failed last, and the newest result."""
        if self._task is None:
            self.refresh()
        # In this order: a scan that ends in between is returned with its result, not without either.
        reading = self.reading
        return reading, self.latest

    def refresh(self) -> None:
        """Scan again, unless a scan runs."""
        with self._lock:
            if self._task and not self._task.is_over:
                return
            self._task = Task(next(self._numbers), "reading the dead letters", progress=0)
            self._task.start(self._scan)

    def stop(self) -> None:
        """Ask the scan to stop, and wait until it has given its leases back."""
        if self._task and not self._task.is_over:
            self._task.stop()
            self._task.join(_PATIENCE_SECONDS)

    def _scan(self, task: Task) -> None:
        def on_page(messages: int) -> None:
            task.report(task.progress + messages)
            if task.is_stopping:
                raise Interrupted

        self.latest = self._read(on_page)
        self.read_at = datetime.now(UTC)
