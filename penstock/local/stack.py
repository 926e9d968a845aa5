"""The local stack: Postgres, a local AWS, and the service deployed to it by the very serverless.yml of AWS."""

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from penstock.local import state
from penstock.local.aws import REGION, LocalAws
from penstock.local.deployment import STAGE, Deployment
from penstock.local.errors import LocalError
from penstock.local.locks import locked
from penstock.local.node import check_node, deploy, install_osls, run_tool
from penstock.local.postgres import Postgres
from penstock.local.state import LocalState

ENVIRONMENT: Final = "aws-environment"
# Enough for the budget of a service, its tools and its tests; as small a database on AWS grants about as many.
SETTINGS: Final = {"max_connections": "100"}


def _silent(_step: str) -> None:
    """Say nothing."""


class LocalDeployment:
    """The local stack of a project.

    Args:
        project: The folder with serverless.yml.
        folder: Where its state is kept: `.penstock` in the project by default. Stacks of one project in several
            folders run side by side, and share the installed local AWS.

    Raises:
        LocalError: There is no serverless.yml.
    """

    def __init__(self, project: Path, folder: Path | None = None) -> None:
        self.project = project.resolve()
        if not (self.project / "serverless.yml").is_file():
            message = f"{self.project} has no serverless.yml"
            raise LocalError(message)
        self.folder = (folder or self.project / state.FOLDER).resolve()
        shared = self.project / state.FOLDER
        self.postgres = Postgres(self.folder / "postgres", settings=SETTINGS)
        self.aws = LocalAws(self.folder / "aws", environment=shared / ENVIRONMENT, enforce_permissions=True)
        # One deployment of a project at a time: they share its build and packaging folders.
        self._deploy_lock = shared / "deploy.lock"

    def up(self, progress: Callable[[str], None] = _silent) -> LocalState:
        """Start what does not run, and deploy the service unless what is deployed is current.

        Safe to call again, after a crash of anything, and from several processes at once.

        Args:
            progress: Called with each step before it is taken.

        Returns:
            The way to the stack.

        Raises:
            LocalError: It did not work; the message says what to do.
        """
        check_node()
        with locked(self.folder / "lock"):
            progress("starting Postgres")
            self.postgres.start()
            progress("starting the local AWS (the first time installs it)")
            self.aws.start()
            return self._deployed(progress)

    def down(self) -> None:
        """Stop everything. The database stays on disk; what was queued is gone."""
        with locked(self.folder / "lock"):
            state.forget(self.folder)
            self.aws.stop()
            self.postgres.stop()

    def reset(self) -> None:
        """Stop everything and forget it, the database too; the installed local AWS stays."""
        with locked(self.folder / "lock"):
            self.aws.kill()
            self.postgres.kill()
            state.forget(self.folder)
            for part in (self.aws.folder, self.postgres.folder):
                shutil.rmtree(part, ignore_errors=True)

    def status(self) -> dict[str, object]:
        """Return what runs and the way to it, with constant keys; what is not known is None."""
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

    def _deployed(self, progress: Callable[[str], None]) -> LocalState:
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
        """Make the tables before the deployment: once it is there, the drain may need them at any moment."""
        from penstock.database.migrate import upgrade  # noqa: PLC0415 (Alembic, which `down` does not need)

        progress("migrating the database")
        migrations = self.project / "infra" / "migrations"
        upgrade(self.postgres.url(), migrations if migrations.exists() else None)

    def _deploy_if_changed(self, progress: Callable[[str], None]) -> LocalState:
        deployment = Deployment(self.project, self.aws.endpoint_url)
        deployment.put_database_url(self.postgres.url())
        fingerprint = deployment.fingerprint(self.aws.identity)
        known = state.read(self.folder)
        if known is None or known.fingerprint != fingerprint:
            progress("deploying the service with osls")
            state.forget(self.folder)
            self._deploy(deployment)
            # Again, in case an unsettled stack made the local AWS start anew.
            fingerprint = deployment.fingerprint(self.aws.identity)
        current = self._describe(deployment, fingerprint)
        state.write(self.folder, current)
        return current

    def _deploy(self, deployment: Deployment) -> None:
        if not deployment.settled():
            self.aws.kill()
            self.aws.start()
            deployment.put_database_url(self.postgres.url())
        deploy(self.project, self.aws.client_environment())

    def _describe(self, deployment: Deployment, fingerprint: str) -> LocalState:
        outputs = deployment.outputs()
        try:
            headers = deployment.api_headers(outputs["HttpApiId"])
            return LocalState(
                service=deployment.service,
                endpoint_url=self.aws.endpoint_url,
                region=REGION,
                api_url=self.aws.endpoint_url,
                api_headers=headers,
                queue_url=outputs["QueueUrl"],
                dead_letter_queue_url=outputs["DeadLetterQueueUrl"],
                curl=deployment.curl(headers),
                fingerprint=fingerprint,
                database_url=self.postgres.url(),
            )
        except KeyError as missing:
            message = f"the stack has no output {missing}"
            raise LocalError(message) from None
