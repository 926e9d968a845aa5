"""The local stack: Postgres, a local AWS, and the service deployed to it with the serverless.yml that AWS gets."""

import hashlib
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from psycopg.conninfo import conninfo_to_dict

from penstock.artifacts.build import build
from penstock.artifacts.errors import BuildError
from penstock.local import state
from penstock.local.aws import LocalAws
from penstock.local.cluster import program
from penstock.local.errors import LocalError, ToolError
from penstock.local.logs import FunctionLogs
from penstock.local.node import Osls, check_node, run_tool
from penstock.local.packaged import STAGE, PackagedService
from penstock.local.postgres import Postgres
from penstock.local.serverless_file import check_packing
from penstock.local.service_stack import ServiceStack
from penstock.local.state import LocalState
from penstock.locks import locked
from penstock.project.config import Config
from penstock.project.serverless import NAME

ENVIRONMENT: Final = "aws-environment"
# A user's own region can be what `${env:AWS_REGION}` in serverless.yml refers to.
REGION_VARIABLES: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
# Enough for the budget of a service, its tools and its tests; a small database on AWS grants about as many.
SETTINGS: Final = {"max_connections": "100"}


def _ignore(_step: str) -> None:
    """Show no progress."""


class LocalDeployment:
    """The local stack of a project: Postgres, a local AWS and the deployed service.

    Args:
        project: The folder with serverless.yml.
        folder: The folder of its state: `.penstock` in the project by default. Several stacks of one project can
            run at the same time, each in its own folder; they share the installation of the local AWS.
        build: The shell command that builds the artifacts that serverless.yml names. By default they are those of
            `[tool.penstock.build.artifacts]` in pyproject.toml; without such a table nothing is built.
        migrations: The folder of the service's Alembic migrations. By default it is the one of `[tool.penstock]`.

    Raises:
        LocalError: There is no serverless.yml.
        penstock.project.errors.ProjectError: pyproject.toml cannot be used.
    """

    def __init__(
        self,
        project: Path,
        folder: Path | None = None,
        *,
        build: str | None = None,
        migrations: Path | None = None,
    ) -> None:
        self.project = project.resolve()
        if not (self.project / NAME).is_file():
            message = f"{self.project} has no {NAME}: run the command in the folder of a service"
            raise LocalError(message)
        self.folder = (folder or self.project / state.FOLDER).resolve()
        shared = self.project / state.FOLDER
        self.postgres = Postgres(self.folder / "postgres", settings=SETTINGS)
        self.aws = LocalAws(self.folder / "aws", environment=shared / ENVIRONMENT, enforce_permissions=True)
        self._osls = Osls(self.project, shared / "osls")
        self._build_command = build
        self._config = Config.find(self.project)
        self._migrations = migrations
        # One deployment of a project at a time, because deployments share its build and packaging folders.
        self._deploy_lock = shared / "deploy.lock"

    def up(self, progress: Callable[[str], None] = _ignore) -> LocalState:
        """Start the servers that are not running, and deploy the service unless the deployment is current.

        It is safe to call this again, also after a crash of any part, and from several processes at once.

        Args:
            progress: Called with the text of each step before the step starts.

        Returns:
            The addresses and credentials of the stack.

        Raises:
            LocalError: A step failed; the message says what to do.
        """
        check_node()
        check_packing(self.project)
        with locked(self.folder / "lock"):
            progress("starting Postgres")
            self.postgres.start()
            progress("starting the local AWS (the first time installs it)")
            self.aws.start()
            return self._build_and_deploy(progress)

    def down(self) -> None:
        """Stop both servers. The database stays on disk; queued messages are lost."""
        with locked(self.folder / "lock"):
            state.delete(self.folder)
            self.aws.stop()
            self.postgres.stop()

    def reset(self) -> None:
        """Stop both servers and delete their data, the database too; the installed local AWS stays."""
        with locked(self.folder / "lock"):
            self.aws.kill()
            self.postgres.kill()
            state.delete(self.folder)
            for part in (self.aws.folder, self.postgres.folder):
                shutil.rmtree(part, ignore_errors=True)

    def status(self) -> dict[str, object]:
        """Return what is running and its addresses. The keys are constant; an unknown value is None."""
        known = state.read(self.folder)
        aws = self.aws.healthy
        current = known if aws else None
        return {
            "postgres": self.postgres.running,
            "aws": aws,
            "deployed": current is not None,
            "api_url": (current and current.api_url) or None,
            "api_headers": current and dict(current.api_headers),
            "endpoint_url": current and current.endpoint_url,
            "queue_url": (current and current.queue_url) or None,
            "dead_letter_queue_url": (current and current.dead_letter_queue_url) or None,
            "database_url": known.database_url if known and self.postgres.running else None,
        }

    def logs(self, function: str | None = None) -> FunctionLogs:
        """Return the reader of what the functions log.

        Args:
            function: The name of a function in serverless.yml; all functions by default.

        Raises:
            LocalError: The local stack is not running, or it has no such function.
        """
        known = state.read(self.folder)
        if known is None or not self.aws.healthy:
            message = "the local stack is not running: start it with `penstock local up`"
            raise LocalError(message)
        if function is not None and function not in known.functions:
            message = f"there is no function {function}: the service has {', '.join(sorted(known.functions))}"
            raise LocalError(message)
        wanted = {key: name for key, name in known.functions.items() if function in (None, key)}
        return FunctionLogs.of(wanted, known.endpoint_url, known.region, self.aws.log)

    def psql(self, arguments: Sequence[str]) -> int:
        """Run psql on the service's database, on this process's terminal; return its exit code.

        Args:
            arguments: The arguments of psql.

        Raises:
            LocalError: The database is not running.
        """
        known = state.read(self.folder)
        if known is None or not self.postgres.running:
            message = "the local stack is not running: start it with `penstock local up`"
            raise LocalError(message)
        # Other users of the machine can read a command's arguments, and not its environment.
        address = conninfo_to_dict(known.database_url)
        names = {
            "host": "PGHOST",
            "port": "PGPORT",
            "user": "PGUSER",
            "password": "PGPASSWORD",
            "dbname": "PGDATABASE",
        }
        environment = os.environ | {name: str(address[key]) for key, name in names.items() if key in address}
        return subprocess.run([str(program("psql")), *arguments], env=environment, check=False).returncode  # noqa: S603

    def _build_and_deploy(self, progress: Callable[[str], None]) -> LocalState:
        with locked(self._deploy_lock):
            progress("installing osls, unless it is installed")
            self._osls.install()
            progress("building the artifacts")
            self._build()
            progress("packaging the service with osls")
            service = self._package()
            self._migrate(progress)
            return self._deploy_if_changed(service, progress)

    def _build(self) -> None:
        if self._build_command is not None:
            run_tool(["/bin/sh", "-c", self._build_command], self.project)
        elif self._config.build.artifacts:
            try:
                build(self._config, self.project, STAGE)
            except BuildError as error:
                raise LocalError(str(error)) from None

    def _package(self) -> PackagedService:
        """Package the service each time: only osls knows all files and variables that serverless.yml refers to."""
        folder = self.folder / "package"
        self._osls.package(folder, self._osls_environment())
        return PackagedService.read(self.project, folder)

    def _migrate(self, progress: Callable[[str], None]) -> None:
        """Create the tables before the deployment, because the drain can need them as soon as it is deployed."""
        from penstock.database.migrate import upgrade  # noqa: PLC0415 (Alembic, which `down` does not need)

        progress("migrating the database")
        upgrade(self.postgres.url(), self._migrations or self._config.migrations_folder)

    def _deploy_if_changed(self, service: PackagedService, progress: Callable[[str], None]) -> LocalState:
        stack = self._stack(service)
        stack.prepare()
        known = state.read(self.folder)
        if known is None or known.fingerprint != self._fingerprint(service):
            progress("deploying the service with osls")
            state.delete(self.folder)
            self._deploy(service)
        current = self._describe(service)
        state.write(self.folder, current)
        return current

    def _deploy(self, service: PackagedService) -> None:
        if not self._stack(service).accepts_deployment():
            self.aws.kill()
            self.aws.start()
            self._stack(service).prepare()
        try:
            self._osls.deploy(self.folder / "package", self._osls_environment())
        except ToolError as error:
            raise LocalError(service.explain_unknown_types(str(error)) or str(error)) from None
        self._stack(service).complete()

    def _stack(self, service: PackagedService) -> ServiceStack:
        """Return the stack at the current endpoint: a restart can change the port."""
        return ServiceStack(service, self.aws.endpoint_url, self.postgres.url())

    def _osls_environment(self) -> dict[str, str]:
        own_region = {name: os.environ[name] for name in REGION_VARIABLES if name in os.environ}
        database = {"PENSTOCK_DATABASE_URL": self.postgres.url()}
        return {**self.aws.client_environment(), **own_region, **database}

    def _fingerprint(self, service: PackagedService) -> str:
        """Return a hash of what is deployed and of the local AWS, which loses its deployments when it stops."""
        parts = (self.aws.identity, self.aws.endpoint_url, service.fingerprint())
        return hashlib.sha256(repr(parts).encode()).hexdigest()

    def _describe(self, service: PackagedService) -> LocalState:
        stack = self._stack(service)
        outputs = stack.outputs()
        api_url, headers = stack.api(outputs)
        return LocalState(
            service=service.name,
            stack=service.stack,
            functions=service.functions,
            endpoint_url=self.aws.endpoint_url,
            region=service.region,
            api_url=api_url,
            api_headers=headers,
            queue_url=stack.queue_url(outputs, "QueueUrl", "PENSTOCK_QUEUE_URL"),
            dead_letter_queue_url=stack.queue_url(outputs, "DeadLetterQueueUrl", "PENSTOCK_DEAD_LETTER_QUEUE_URL"),
            curl=stack.curl(api_url, headers) if api_url else "",
            fingerprint=self._fingerprint(service),
            database_url=self.postgres.url(),
        )
