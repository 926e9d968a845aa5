"""A local AWS: SQS, Lambda, API Gateway, CloudFormation and more, in one process on loopback.

It is the emulator ministack. It keeps everything in memory: what was deployed and queued is gone when it stops.
"""

import http.client
import os
import signal
import subprocess
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import psutil

from penstock.local.environment import emulator_python
from penstock.local.errors import StartError
from penstock.local.locks import locked
from penstock.local.processes import (
    LOOPBACK,
    family,
    free_port,
    kept_port,
    recall,
    remember,
    running_where,
    send,
    wait_gone,
    wait_until,
)

REGION: Final = "us-east-1"
ACCESS_KEY: Final = "test"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 5.0
START_ATTEMPTS: Final = 3
LOG_TAIL_CHARACTERS: Final = 2000
PASSED_ON: Final = ("LANG", "PATH")


class LocalAws:
    """A local AWS of its own, listening on loopback only, outliving the process that started it.

    Args:
        folder: Where its log and its port are kept; made if missing. One per folder.
        environment: The folder of its Python environment, which several may share. In `folder` by default.
        enforce_permissions: Whether what a role does not allow is refused, as in AWS.
    """

    def __init__(
        self, folder: Path, *, environment: Path | None = None, enforce_permissions: bool = False
    ) -> None:
        self.folder = folder.resolve()
        self.environment = (environment or self.folder / "environment").resolve()
        self.log = self.folder / "aws.log"
        self._scratch = self.folder / "tmp"
        self._process_file = self.folder / "process.json"
        self._enforce_permissions = enforce_permissions

    @property
    def port(self) -> int:
        """The TCP port: that of the last start, kept for the next one unless somebody else has it by then."""
        return int((self.folder / "port").read_text())

    @property
    def endpoint_url(self) -> str:
        """What to set AWS_ENDPOINT_URL to. Only after it has been started once."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def identity(self) -> str | None:
        """A text that is another one after each start, or None while it does not run."""
        process = recall(self._process_file)
        return f"{process.pid}@{process.create_time()}" if process else None

    @property
    def healthy(self) -> bool:
        """Whether it runs and answers."""
        return recall(self._process_file) is not None and self._ask("GET", "/_ministack/health")

    def client_environment(self) -> dict[str, str]:
        """Return the environment variables that make boto3, or any AWS tool, talk to this AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        }

    def start(self) -> None:
        """Start it unless it runs already, installing it first if that is needed.

        Raises:
            StartError: It did not become ready; the message ends with its log.
            ToolError: It could not be installed.
        """
        with locked(self.folder / "lock"):
            if self.healthy:
                return
            self._kill()
            python = emulator_python(self.environment)
            self._launch(python)

    def stop(self) -> None:
        """Stop it and its function workers; nothing happens if it does not run."""
        with locked(self.folder / "lock"):
            if process := recall(self._process_file):
                members = family(process)
                send(signal.SIGCONT, members)
                send(signal.SIGTERM, members)
                wait_gone(members, STOP_SECONDS)
            self._kill()

    def kill(self) -> None:
        """Kill it and its function workers at once, as a crash of the machine would."""
        with locked(self.folder / "lock"):
            self._kill()

    def reset(self) -> None:
        """Forget everything that was made in it: queues, messages, functions, stacks.

        Raises:
            StartError: It does not run.
        """
        if not self._ask("POST", "/_ministack/reset"):
            message = "the local AWS does not run"
            raise StartError(message)

    def _kill(self) -> None:
        process = recall(self._process_file)
        members = [*(family(process) if process else []), *running_where(self._is_ours)]
        send(signal.SIGKILL, members)
        wait_gone(members)
        self._process_file.unlink(missing_ok=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        """Tell ours without the note: workers outlive a killed emulator, and it outlives a deleted folder."""
        words = process.cmdline()
        emulator = words[-1:] == ["ministack"] and process.cwd() == str(self.folder)
        return emulator or any(word.startswith(f"{self._scratch}/") for word in words)

    def _launch(self, python: Path) -> None:
        """Start it, on another port if somebody takes ours in the moment before it listens."""
        self._scratch.mkdir(exist_ok=True)
        port = kept_port(self.folder / "port")
        for _ in range(START_ATTEMPTS):
            self._spawn(python, port)
            wait_until(lambda: self.healthy or recall(self._process_file) is None, START_SECONDS)
            if self.healthy:
                return
            self._kill()
            port = free_port()
            (self.folder / "port").write_text(str(port))
        message = f"the local AWS did not start: {self.log.read_text()[-LOG_TAIL_CHARACTERS:]}"
        raise StartError(message)

    def _spawn(self, python: Path, port: int) -> None:
        """Start it in a session of its own, where neither our end nor Ctrl-C reaches it."""
        script = 'log=$1; shift; "$@" </dev/null >"$log" 2>&1 & echo $!'
        done = subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", script, "sh", str(self.log), str(python), "-m", "ministack"],
            stdout=subprocess.PIPE,
            check=True,
            cwd=self.folder,
            env=self._environment(port),
            start_new_session=True,
        )
        with suppress(psutil.Error):
            remember(psutil.Process(int(done.stdout)), self._process_file)

    def _environment(self, port: int) -> dict[str, str]:
        """Return its environment variables; they are also those of its functions, so there are few of them."""
        inherited = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        return inherited | {
            "AUTH": str(self._enforce_permissions).lower(),
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
            "BIND_HOST": LOOPBACK,
            "GATEWAY_PORT": str(port),
            "HOME": str(self._scratch),
            "LOG_LEVEL": "WARNING",
            "MINISTACK_REGION": REGION,
            "PYTHONDONTWRITEBYTECODE": "1",
            "TMPDIR": str(self._scratch),
        }

    def _ask(self, method: str, path: str) -> bool:
        try:
            with closing(http.client.HTTPConnection(LOOPBACK, self.port, timeout=ANSWER_SECONDS)) as connection:
                connection.request(method, path)
                return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
