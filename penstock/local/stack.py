"""The local stack: Postgres, a local AWS, and the service deployed to it with the serverless.yml that AWS gets."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from penstock.local import state
from penstock.local.aws import REGION, LocalAws
from penstock.local.errors import LocalError
from penstock.local.locks import locked
from penstock.local.node import check_node, deploy, install_osls, run_tool
from penstock.local.postgres import Postgres
from penstock.local.service_stack import STAGE, ServiceStack
from penstock.local.state import LocalState

ENVIRONMENT: Final = "aws-environment"
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

    Raises:
        LocalError: There is no serverless.yml.
    """

    def __init__(self, project: Path, folder: Path | None = None) -> None:
        self.project = project.resolve()
        if not (self.project / "serverless.yml").is_file():
            message = f"{self.project} has no serverless.yml: run the command in the folder of a service"
            raise LocalError(message)
        self.folder = (folder or self.project / state.FOLDER).resolve()
        shared = self.project / state.FOLDER
        self.postgres = Postgres(self.folder / "postgres", settings=SETTINGS)
        self.aws = LocalAws(self.folder / "aws", environment=shared / ENVIRONMENT, enforce_permissions=True)
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
            "api_url": current and current.api_url,
            "api_headers": current and dict(current.api_headers),
            "endpoint_url": current and current.endpoint_url,
            "queue_url": current and current.queue_url,
            "dead_letter_queue_url": current and current.dead_letter_queue_url,
            "database_url": known.database_url if known and self.postgres.running else None,
        }

    def _build_and_deploy(self, progress: Callable[[str], None]) -> LocalState:
        with locked(self._deploy_lock):
            install_osls(self.project)
            progress("building the artifacts")
            self._build()
            self._migrate(progress)
            return self._deploy_if_changed(progress)

    def _build(self) -> None:
        script = self.project / "infra" / "build.py"
        run_tool([sys.executable, str(script), "--stage", STAGE], self.project)

    def _migrate(self, progress: Callable[[str], None]) -> None:
        """Create the tables before the deployment, because the drain can need them as soon as it is deployed."""
        from penstock.database.migrate import upgrade  # noqa: PLC0415 (Alembic, which `down` does not need)

        progress("migrating the database")
        migrations = self.project / "infra" / "migrations"
        upgrade(self.postgres.url(), migrations if migrations.exists() else None)

    def _deploy_if_changed(self, progress: Callable[[str], None]) -> LocalState:
        service = ServiceStack(self.project, self.aws.endpoint_url)
        service.put_database_url(self.postgres.url())
        fingerprint = service.fingerprint(self.aws.identity)
        known = state.read(self.folder)
        if known is None or known.fingerprint != fingerprint:
            progress("deploying the service with osls")
            state.delete(self.folder)
            self._deploy(service)
            # Computed again, because a failed stack makes the local AWS restart.
            fingerprint = service.fingerprint(self.aws.identity)
        current = self._describe(service, fingerprint)
        state.write(self.folder, current)
        return current

    def _deploy(self, service: ServiceStack) -> None:
        if not service.accepts_deployment():
            self.aws.kill()
            self.aws.start()
            service.put_database_url(self.postgres.url())
        deploy(self.project, self.aws.client_environment())

    def _describe(self, service: ServiceStack, fingerprint: str) -> LocalState:
        outputs = service.outputs()
        try:
            headers = service.api_headers(outputs["HttpApiId"])
            return LocalState(
                service=service.service,
                endpoint_url=self.aws.endpoint_url,
                region=REGION,
                api_url=self.aws.endpoint_url,
                api_headers=headers,
                queue_url=outputs["QueueUrl"],
                dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
                curl=service.curl(headers),
                fingerprint=fingerprint,
                database_url=self.postgres.url(),
            )
        except KeyError as missing:
            message = f"the stack has no output {missing}: serverless.yml has to declare it"
            raise LocalError(message) from None
