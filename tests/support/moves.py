"""SQS's message move tasks in memory, because the emulators do not have them."""

from dataclasses import replace

from penstock.deadletters.replay.move_tasks import MoveError, MoveTask


class MemoryMoves:
    """The tasks of one dead-letter queue; each poll moves one step of messages."""

    def __init__(self, messages: int, *, step: int = 10, unseen: int = 0, failure: str | None = None) -> None:
        """Create the tasks of a queue.

        Args:
            messages: the number of messages on the dead-letter queue.
            step: the number of messages that a poll moves.
            unseen: the number of polls in which a started task is not listed yet.
            failure: why the task fails after the first step.
        """
        self.messages, self.moved = messages, 0
        self.asked: list[tuple[str, str, int | None]] = []
        self._step, self._unseen, self._failure = step, unseen, failure
        self._hidden = 0
        self._tasks: list[MoveTask] = []

    def start(self, dead_arn: str, main_arn: str, rate: int | None) -> None:
        if self._tasks and not self._tasks[-1].is_over:
            raise MoveError("one at a time", "InvalidParameterValue")
        self.asked.append((dead_arn, main_arn, rate))
        self._hidden = self._unseen
        started = len(self._tasks) + 1
        self._tasks.append(MoveTask("RUNNING", started, 0, self.messages, handle=f"task {started}"))

    def latest(self, dead_arn: str) -> MoveTask | None:  # noqa: ARG002 (the protocol's)
        listed = self._tasks
        if self._hidden > 0:
            self._hidden -= 1
            listed = listed[:-1]
        elif listed:
            self._go_on()
        return listed[-1] if listed else None

    def cancel(self, handle: str) -> None:
        task = self._tasks[-1]
        if task.status != "RUNNING" or task.handle != handle:
            raise MoveError("not running", "ResourceNotFoundException")
        self._tasks[-1] = replace(task, status="CANCELLING", handle=None)

    def _go_on(self) -> None:
        task = self._tasks[-1]
        if task.status == "CANCELLING":
            self._tasks[-1] = replace(task, status="CANCELLED")
        elif task.status == "RUNNING" and task.moved == task.to_move:
            self._tasks[-1] = replace(task, status="COMPLETED", handle=None)
        elif task.status == "RUNNING" and self._failure and task.moved:
            self._tasks[-1] = replace(task, status="FAILED", handle=None, failure=self._failure)
        elif task.status == "RUNNING":
            step = min(self._step, self.messages)
            self.messages, self.moved = self.messages - step, self.moved + step
            self._tasks[-1] = replace(task, moved=task.moved + step)
