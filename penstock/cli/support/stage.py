"""One deployed stage of the service: its queues and secrets, found from the stack's outputs."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.project import Project
from penstock.local import state
from penstock.queue import SqsQueue, sqs_client

LOCAL = "local"
QUEUE_PATIENCE_SECONDS = 30.0
"""For how long a page may be sent, or deleted, where SQS throttles: its leases last longer."""
_LOCAL_KEY = "test"  # The emulator takes any word.
_PATIENCE = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})


@dataclass(frozen=True, slots=True)
class Queues:
    """The two queues of a stage.

    Attributes:
        main: what the drain reads.
        dead: the dead-letter queue.
        retention_seconds: how long the dead-letter queue keeps a message after SQS first took it.
    """

    main: SqsQueue
    dead: SqsQueue
    retention_seconds: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage and the way to it.

    Attributes:
        name: `local`, `dev` and so on.
        project: the service's folder.
        service: the service's name, where one was given.
        session: boto3's, with region and credentials.
        endpoint_url: in place of AWS's own.
    """

    name: str
    project: Project
    service: str | None
    session: boto3.Session
    endpoint_url: str | None

    def queues(self) -> Queues:
        """Find the queues.

        Raises:
            Failure: there is no such stack, or it is not of a Penstock service.
        """
        main, dead = self.outputs("QueueUrl", "DeadLetterQueueUrl")
        client = sqs_client(self.session, self.endpoint_url)
        found = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["MessageRetentionPeriod"])
        retention = int(found["Attributes"]["MessageRetentionPeriod"])
        made = [SqsQueue(url, client, timeout_seconds=QUEUE_PATIENCE_SECONDS) for url in (main, dead)]
        return Queues(made[0], made[1], retention)

    def outputs(self, *names: str) -> list[str]:
        """Return these outputs of the stack.

        Raises:
            Failure: there is no such stack, or it is not of a Penstock service.
        """
        outputs = self._outputs()
        missing = set(names) - outputs.keys()
        if missing:
            raise Failure(f"the stack {self.stack} has no output {' and no '.join(sorted(missing))}")
        return [outputs[name] for name in names]

    def optional_output(self, name: str) -> str | None:
        """Return an output that not every service's stack has; None where this one has it not."""
        return self._outputs().get(name)

    def secret(self, name: str) -> str:
        """Read a secret: `name` is its name or its ARN.

        Raises:
            Failure: there is none.
        """
        client = self.client("secretsmanager")
        try:
            return str(client.get_secret_value(SecretId=name)["SecretString"])
        except client.exceptions.ResourceNotFoundException:
            raise Failure(f"there is no secret {name}") from None

    def client(self, name: Any) -> Any:
        """Make a client of an AWS service, one that gives up within a minute."""
        return self.session.client(name, config=_PATIENCE, endpoint_url=self.endpoint_url)

    @property
    def service_name(self) -> str:
        """The service's name.

        Raises:
            Failure: it is not known.
        """
        return self.project.name(self.service)

    @property
    def stack(self) -> str:
        """The CloudFormation stack's name."""
        return f"{self.service_name}-{self.name}"

    def _outputs(self) -> dict[str, str]:
        client = self.client("cloudformation")
        try:
            stack = client.describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            where = f"in {self.session.region_name}"
            raise Failure(
                f"there is no stack {self.stack} {where}: check --stage, --service, --region and --profile"
            ) from None
        return {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}


def open_stage(
    stage: str | None, service: str | None, region: str | None, profile: str | None, endpoint_url: str | None
) -> Stage:
    """Turn the options into a stage; for `local`, the way to it is the one that is recorded here.

    Raises:
        Failure: no stage was given and none is recorded, or the local one is not there.
    """
    project = Project.find(Path.cwd())
    if stage is not None and stage != LOCAL:
        session = boto3.Session(region_name=region, profile_name=profile)
        return Stage(stage, project, service, session, endpoint_url)
    stack = state.load(project.folder)
    if stack is None and stage is None:
        raise Failure("which stage? Give --stage; no local stack is recorded here", USAGE)
    if stack is None:
        raise Failure("no local stack is recorded here: start one with `penstock local up`")
    if profile:
        raise Failure("--profile is for AWS, not for the local stage", USAGE)
    session = boto3.Session(
        aws_access_key_id=_LOCAL_KEY, aws_secret_access_key=_LOCAL_KEY, region_name=region or stack.region
    )
    return Stage(LOCAL, project, service, session, endpoint_url or stack.endpoint_url)
