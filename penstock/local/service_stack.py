"""The CloudFormation stack of a service in the local AWS: its secrets, status, outputs and requests."""

import re
import shlex
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

from botocore.exceptions import ClientError

from penstock.local.clients import local_client
from penstock.local.database_secrets import DatabaseSecrets
from penstock.local.packaged import STAGE, PackagedService

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

STABLE_STATUSES: Final = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
REST_API: Final = re.compile(r"https://(?P<id>\w+)\.execute-api\.[^/]+(?P<stage>/.+)")


class ServiceStack:
    """The CloudFormation stack of one service in a local AWS.

    Args:
        service: The packaged service.
        endpoint_url: The endpoint of the local AWS.
        database_url: The URL of the local database.

    Raises:
        LocalError: A function of the service would use another database than the local one.
    """

    def __init__(self, service: PackagedService, endpoint_url: str, database_url: str) -> None:
        self._service = service
        self._endpoint_url = endpoint_url
        self._database_url = database_url
        self._database_secrets = DatabaseSecrets.of(service, database_url)

    def prepare(self) -> None:
        """Store the database's URL in the secrets that the functions expect to exist before the deployment."""
        for name in {f"penstock/{self._service.name}/{STAGE}/database-url", *self._database_secrets.names}:
            try:
                self._secrets.put_secret_value(SecretId=name, SecretString=self._database_url)
            except self._secrets.exceptions.ResourceNotFoundException:
                self._secrets.create_secret(Name=name, SecretString=self._database_url)

    def complete(self) -> None:
        """Store the database's URL in the secrets that the stack itself created."""
        for logical_id in self._database_secrets.logical_ids:
            if name := self._physical_id(logical_id):
                self._secrets.put_secret_value(SecretId=name, SecretString=self._database_url)

    def accepts_deployment(self) -> bool:
        """Return whether the stack can be deployed to; after a failed or interrupted deployment it cannot."""
        status, _ = self._describe()
        return status is None or status in STABLE_STATUSES

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs by name; none if the stack does not exist."""
        _, outputs = self._describe()
        return outputs

    def queue_url(self, outputs: Mapping[str, str], output: str, variable: str) -> str:
        """Return the URL of a queue; empty if the stack does not show which queue it is.

        Args:
            outputs: The stack's outputs.
            output: The output of the stack that has the URL.
            variable: The environment variable that refers to the queue in any function, for a stack without the
                output.
        """
        logical_id = self._service.logical_id(variable)
        return outputs.get(output) or (self._physical_id(logical_id) if logical_id else "")

    def api(self, outputs: Mapping[str, str]) -> tuple[str, dict[str, str]]:
        """Return the URL of the API, and the headers that route a request to it and authorize the request.

        The token is `params.local.token` of serverless.yml, if there is one. Without an API the URL is empty.

        Args:
            outputs: The stack's outputs.
        """
        rest = REST_API.fullmatch(outputs.get("ServiceEndpoint", ""))
        api_id = outputs.get("HttpApiId") or (rest and rest["id"])
        if not api_id:
            return "", {}
        headers = {"Host": f"{api_id}.execute-api.localhost:{urlsplit(self._endpoint_url).port}"}
        if token := self._service.token:
            headers["Authorization"] = f"Bearer {token}"
        return self._endpoint_url + (rest["stage"] if rest and "HttpApiId" not in outputs else ""), headers

    def curl(self, api_url: str, headers: Mapping[str, str]) -> str:
        """Return a command that sends the example of the service, or a GET of `/`.

        Args:
            api_url: The URL of the API.
            headers: The headers that the API needs.
        """
        example = {"path": "/", **self._service.example}
        words = ["curl", "-i", *(word for item in headers.items() for word in ("-H", ": ".join(item)))]
        if "method" in example:
            words += ["-X", example["method"]]
        if "body" in example:
            words += ["-H", "Content-Type: application/json", "-d", example["body"]]
        return shlex.join([*words, api_url + example["path"]])

    def _describe(self) -> tuple[str | None, dict[str, str]]:
        """Return the stack's status, or None if the stack does not exist, and its outputs."""
        try:
            stack = self._cloudformation.describe_stacks(StackName=self._service.stack)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None, {}
            raise
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        return stack["StackStatus"], outputs

    def _physical_id(self, logical_id: str) -> str:
        """Return the id of a resource of the stack, which for a queue is its URL; empty if there is none."""
        try:
            found = self._cloudformation.describe_stack_resource(
                StackName=self._service.stack, LogicalResourceId=logical_id
            )
        except ClientError:
            return ""
        return found["StackResourceDetail"].get("PhysicalResourceId", "")

    @cached_property
    def _secrets(self) -> "SecretsManagerClient":
        client: SecretsManagerClient = self._client("secretsmanager")
        return client

    @cached_property
    def _cloudformation(self) -> "CloudFormationClient":
        client: CloudFormationClient = self._client("cloudformation")
        return client

    def _client(self, service: str) -> Any:
        return local_client(service, self._endpoint_url, self._service.region)
