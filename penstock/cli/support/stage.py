"""One deployed stage of the service: its queues and secrets, found through the outputs of its stack."""

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
QUEUE_TIMEOUT_SECONDS = 30.0
"""How long to retry a page that SQS throttles. The leases on dead letters last longer."""
_LOCAL_KEY = "test"  # The emulator accepts any key.
_CLIENT_CONFIG = Config(connect_timeout=5, read_timeout=15, retries={"mode": "standard", "total_max_attempts": 3})
"""A client of an AWS service gives up within a minute."""


@dataclass(frozen=True, slots=True)
class Queues:
    """The two queues of a stage.

    Attributes:
        main: the queue that the drain reads.
        dead: the dead-letter queue.
        retention_seconds: how long the dead-letter queue keeps a message after SQS first received it.
    """

    main: SqsQueue
    dead: SqsQueue
    retention_seconds: int


@dataclass(frozen=True, slots=True)
class Stage:
    """A stage and the session to reach it with.

    Attributes:
        name: `local`, `dev` and so on.
        project: the service's folder.
        service: the value of --service.
        session: the boto3 session, with region and credentials.
        endpoint_url: the endpoint to use instead of AWS's own.
        recorded: the local stack that `penstock local up` recorded; None for another stage.
    """

    name: str
    project: Project
    service: str | None
    session: boto3.Session
    endpoint_url: str | None
    recorded: state.LocalState | None = None

    def queues(self) -> Queues:
        """Find the queues.

        Raises:
            Failure: there is no such stack, or it does not belong to a Penstock service.
        """
        main, dead = self.outputs("QueueUrl", "DeadLetterQueueUrl")
        client = sqs_client(self.session, self.endpoint_url)
        found = client.get_queue_attributes(QueueUrl=dead, AttributeNames=["MessageRetentionPeriod"])
        return Queues(
            main=SqsQueue(main, client, timeout_seconds=QUEUE_TIMEOUT_SECONDS),
            dead=SqsQueue(dead, client, timeout_seconds=QUEUE_TIMEOUT_SECONDS),
            retention_seconds=int(found["Attributes"]["MessageRetentionPeriod"]),
        )

    def outputs(self, *names: str) -> list[str]:
        """Return these outputs of the stack.

        Raises:
            Failure: there is no such stack, or it does not belong to a Penstock service.
        """
        outputs = self._outputs()
        missing = set(names) - outputs.keys()
        if missing:
            raise Failure(
                f"the stack {self.stack} has no output {' and no '.join(sorted(missing))}: "
                "declare it in `resources: Outputs` of serverless.yml and deploy, or check --service and --stage"
            )
        return [outputs[name] for name in names]

    def optional_output(self, name: str) -> str | None:
        """Return an output that only some services have; None if the stack does not have it."""
        return self._outputs().get(name)

    def secret(self, name: str) -> str:
        """Return the text of a secret, given by its name or its ARN.

        Raises:
            Failure: there is no such secret.
        """
        client = self.client("secretsmanager")
        try:
            return str(client.get_secret_value(SecretId=name)["SecretString"])
        except client.exceptions.ResourceNotFoundException:
            raise Failure(
                f"there is no secret {name} in {self.session.region_name}: create it, or check --stage, "
                "--service, --region and --profile"
            ) from None

    def client(self, name: Any) -> Any:
        """Return a client of an AWS service that gives up within a minute."""
        return self.session.client(name, config=_CLIENT_CONFIG, endpoint_url=self.endpoint_url)

    @property
    def service_name(self) -> str:
        """The service's name.

        Raises:
            Failure: the name is not known.
        """
        return (
            self.recorded.service if self.recorded and self.recorded.service else self.project.name(self.service)
        )

    @property
    def stack(self) -> str:
        """The name of the CloudFormation stack."""
        return self.recorded.stack if self.recorded and self.recorded.stack else f"{self.service_name}-{self.name}"

    def _outputs(self) -> dict[str, str]:
        client = self.client("cloudformation")
        try:
            stack = client.describe_stacks(StackName=self.stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" not in str(error):
                raise
            raise Failure(
                f"there is no stack {self.stack} in {self.session.region_name}: "
                "check --stage, --service, --region and --profile"
            ) from None
        return self._recorded_outputs() | {
            output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])
        }

    def _recorded_outputs(self) -> dict[str, str]:
        """Return the queues of the local stack, which needs no outputs for them."""
        if self.recorded is None:
            return {}
        found = {
            "QueueUrl": self.recorded.queue_url,
            "DeadLetterQueueUrl": self.recorded.dead_letter_queue_url,
        }
        return {name: url for name, url in found.items() if url}


def open_stage(
    stage: str | None, service: str | None, region: str | None, profile: str | None, endpoint_url: str | None
) -> Stage:
    """Return the stage that the options name. The local stage has the endpoint and region that are recorded here.

    Raises:
        Failure: no stage is given and no local stack is recorded, or the local stage is given and not recorded.
    """
    project = Project.find(Path.cwd())
    if stage is not None and stage != LOCAL:
        session = boto3.Session(region_name=region, profile_name=profile)
        return Stage(stage, project, service, session, endpoint_url)
    stack = state.load(project.folder)
    if stack is None and stage is None:
        raise Failure(
            "no stage is given, and no local stack is recorded here: give --stage, or run `penstock local up`",
            USAGE,
        )
    if stack is None:
        raise Failure("no local stack is recorded here: start one with `penstock local up`")
    if profile:
        raise Failure("--profile does not go with the local stage: leave it out, or give --stage", USAGE)
    session = boto3.Session(
        aws_access_key_id=_LOCAL_KEY, aws_secret_access_key=_LOCAL_KEY, region_name=region or stack.region
    )
    recorded = stack if service is None else None
    return Stage(LOCAL, project, service, session, endpoint_url or stack.endpoint_url, recorded)
