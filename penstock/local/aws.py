"""A local AWS: SQS, Lambda, API Gateway, CloudFormation and more, in one process on loopback.

It is the emulator ministack, which keeps its state in memory: deployments and messages are lost when it stops.
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
from penstock.local.processes import (
    LOOPBACK,
    find_processes,
    free_port,
    load_process,
    process_tree,
    save_process,
    saved_port,
    send_signal,
    wait_for_exit,
    wait_until,
)
from penstock.locks import locked

REGION: Final = "us-east-1"
ACCESS_KEY: Final = "test"
START_SECONDS: Final = 30.0
STOP_SECONDS: Final = 5.0
REQUEST_TIMEOUT_SECONDS: Final = 5.0
START_ATTEMPTS: Final = 3
LOG_TAIL_CHARACTERS: Final = 2000
EMULATOR: Final = Path(__file__).with_name("emulator.py")
INHERITED_VARIABLES: Final = ("LANG", "PATH")


class LocalAws:
    """A local AWS that listens on loopback only, and keeps running after the process that started it.

    Args:
        folder: The folder of its log and its port, created if missing. Each folder has one local AWS.
        environment: The folder of its Python environment, which several can share. In `folder` by default.
        enforce_permissions: Whether to refuse requests that a role does not allow, as AWS does.
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
        """The TCP port of the last start. The next start uses it again if it is still free."""
        return int((self.folder / "port").read_text())

    @property
    def endpoint_url(self) -> str:
        """The value for AWS_ENDPOINT_URL; available after the first start."""
        return f"http://{LOOPBACK}:{self.port}"

    @property
    def identity(self) -> str | None:
        """A text that changes with each start; None if it is not running."""
        process = load_process(self._process_file)
        return f"{process.pid}@{process.create_time()}" if process else None

    @property
    def healthy(self) -> bool:
        """Whether it is running and answers requests."""
        return load_process(self._process_file) is not None and self._request("GET", "/_ministack/health")

    def client_environment(self) -> dict[str, str]:
        """Return the environment variables that point boto3, or any AWS tool, to this AWS."""
        return {
            "AWS_ENDPOINT_URL": self.endpoint_url,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": ACCESS_KEY,
        }

    def start(self) -> None:
        """Start it unless it is running; install it first if needed.

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
        """Stop it and its function workers; do nothing if it is not running."""
        with locked(self.folder / "lock"):
            if process := load_process(self._process_file):
                members = process_tree(process)
                send_signal(signal.SIGCONT, members)
                send_signal(signal.SIGTERM, members)
                wait_for_exit(members, STOP_SECONDS)
            self._kill()

    def kill(self) -> None:
        """Kill it and its function workers at once, as a crash of the machine does."""
        with locked(self.folder / "lock"):
            self._kill()

    def reset(self) -> None:
        """Delete all its resources: queues, messages, functions, stacks.

        Raises:
            StartError: It is not running.
        """
        if not self._request("POST", "/_ministack/reset"):
            message = "the local AWS is not running: call start() first"
            raise StartError(message)

    def _kill(self) -> None:
        process = load_process(self._process_file)
        members = [*(process_tree(process) if process else []), *find_processes(self._is_ours)]
        send_signal(signal.SIGKILL, members)
        wait_for_exit(members)
        self._process_file.unlink(missing_ok=True)

    def _is_ours(self, process: psutil.Process) -> bool:
        """Return whether a process belongs to this AWS, without the process file.

        Workers can outlive a killed emulator, and an emulator can outlive its deleted folder.
        """
        words = process.cmdline()
        emulator = words[-1:] == [str(EMULATOR)] and process.cwd() == str(self.folder)
        return emulator or any(word.startswith(f"{self._scratch}/") for word in words)

    def _launch(self, python: Path) -> None:
        """Start it; use another port if a program takes the port before it listens."""
        self._scratch.mkdir(exist_ok=True)
        port = saved_port(self.folder / "port")
        for _ in range(START_ATTEMPTS):
            self._spawn(python, port)
            wait_until(lambda: self.healthy or load_process(self._process_file) is None, START_SECONDS)
            if self.healthy:
                return
            self._kill()
            port = free_port()
            (self.folder / "port").write_text(str(port))
        message = (
            f"the local AWS did not start. The end of {self.log}:\n{self.log.read_text()[-LOG_TAIL_CHARACTERS:]}"
        )
        raise StartError(message)

    def _spawn(self, python: Path, port: int) -> None:
        """Start it in a new session, so that neither Ctrl-C nor the end of this process stops it."""
        script = 'log=$1; shift; "$@" </dev/null >"$log" 2>&1 & echo $!'
        done = subprocess.run(  # noqa: S603
            ["/bin/sh", "-c", script, "sh", str(self.log), str(python), "-P", str(EMULATOR)],
            stdout=subprocess.PIPE,
            check=True,
            cwd=self.folder,
            env=self._environment(port),
            start_new_session=True,
        )
        with suppress(psutil.Error):
            save_process(psutil.Process(int(done.stdout)), self._process_file)

    def _environment(self, port: int) -> dict[str, str]:
        """Return its environment variables; its functions inherit them, so the list is short."""
        inherited = {name: os.environ[name] for name in INHERITED_VARIABLES if name in os.environ}
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

    def _request(self, method: str, path: str) -> bool:
        try:
            with closing(
                http.client.HTTPConnection(LOOPBACK, self.port, timeout=REQUEST_TIMEOUT_SECONDS)
            ) as connection:
                connection.request(method, path)
                return connection.getresponse().status == http.client.OK
        except (OSError, http.client.HTTPException):
            return False
