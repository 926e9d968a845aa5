"""The CloudFormation stack of a service in the local AWS: its secret, status, outputs and fingerprint."""

import hashlib
import shlex
from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import boto3
import yaml
from botocore.config import Config
from botocore.exceptions import ClientError

from penstock.local.aws import ACCESS_KEY, REGION
from penstock.local.errors import LocalError

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_secretsmanager import SecretsManagerClient

STAGE: Final = "local"
STABLE_STATUSES: Final = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
# No proxy, even if the environment names one: everything is on loopback.
CONFIG: Final = Config(connect_timeout=5, read_timeout=30, proxies={})


class ServiceStack:
    """The CloudFormation stack of one service in a local AWS.

    Args:
        project: The folder with serverless.yml.
        endpoint_url: The endpoint of the local AWS.

    Raises:
        LocalError: There is no serverless.yml, or it does not name the service.
    """

    def __init__(self, project: Path, endpoint_url: str) -> None:
        self._config = _config(project)
        self.service = str(self._config["service"])
        self._project = project
        self._endpoint_url = endpoint_url

    def put_database_url(self, database_url: str) -> None:
        """Store the database's URL in the secret that serverless.yml expects to exist on each stage."""
        name = f"penstock/{self.service}/{STAGE}/database-url"
        try:
            self._secrets.put_secret_value(SecretId=name, SecretString=database_url)
        except self._secrets.exceptions.ResourceNotFoundException:
            self._secrets.create_secret(Name=name, SecretString=database_url)

    def accepts_deployment(self) -> bool:
        """Return whether the stack can be deployed to; after a failed or interrupted deployment it cannot."""
        status, _ = self._describe()
        return status is None or status in STABLE_STATUSES

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs by name; none if the stack does not exist."""
        _, outputs = self._describe()
        return outputs

    def api_headers(self, api_id: str) -> dict[str, str]:
        """Return the headers that route a request at the endpoint of the local AWS to an API, and authorize it.

        Args:
            api_id: The id of the API. The token is `params.local.token` of serverless.yml, if there is one.
        """
        token = self._config.get("params", {}).get(STAGE, {}).get("token")
        host = {"Host": f"{api_id}.execute-api.localhost:{urlsplit(self._endpoint_url).port}"}
        return host | ({"Authorization": f"Bearer {token}"} if token else {})

    def curl(self, headers: Mapping[str, str]) -> str:
        """Return a command that sends the example of serverless.yml (`custom.example`), or a GET of `/`.

        Args:
            headers: The headers that the API needs.
        """
        example = self._config.get("custom", {}).get("example", {"path": "/"})
        words = ["curl", "-i", *(word for item in headers.items() for word in ("-H", ": ".join(item)))]
        if "body" in example:
            words += ["-H", "Content-Type: application/json", "-d", example["body"]]
        return shlex.join([*words, self._endpoint_url + example["path"]])

    def fingerprint(self, aws_identity: str | None) -> str:
        """Return a hash of the files to deploy and of the local AWS to deploy to.

        Args:
            aws_identity: The identity of the local AWS, which loses its deployments when it stops.
        """
        digest = hashlib.sha256(repr((aws_identity, self._endpoint_url)).encode())
        for path in self._deployed_files():
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    def _deployed_files(self) -> Iterator[Path]:
        """Yield the files that a deployment depends on; for an artifact, the digest that the build writes."""
        yield self._project / "serverless.yml"
        yield from sorted((self._project / "infra").glob("*.yml"))
        yield from sorted((self._project / "build" / STAGE).glob("*.sha256"))

    def _describe(self) -> tuple[str | None, dict[str, str]]:
        """Return the stack's status, or None if the stack does not exist, and its outputs."""
        try:
            stack = self._cloudformation.describe_stacks(StackName=f"{self.service}-{STAGE}")["Stacks"][0]
        except ClientError as error:
            if "does not exist" in str(error):
                return None, {}
            raise
        outputs = {output["OutputKey"]: output["OutputValue"] for output in stack.get("Outputs", [])}
        return stack["StackStatus"], outputs

    @cached_property
    def _session(self) -> boto3.Session:
        return boto3.Session(aws_access_key_id=ACCESS_KEY, aws_secret_access_key=ACCESS_KEY, region_name=REGION)

    @cached_property
    def _secrets(self) -> "SecretsManagerClient":
        return self._session.client("secretsmanager", endpoint_url=self._endpoint_url, config=CONFIG)

    @cached_property
    def _cloudformation(self) -> "CloudFormationClient":
        return self._session.client("cloudformation", endpoint_url=self._endpoint_url, config=CONFIG)


def _config(project: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = yaml.safe_load((project / "serverless.yml").read_text(encoding="utf-8"))
        content["service"]
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        message = f"{project} has no serverless.yml that names the service: add a line `service: NAME`"
        raise LocalError(message) from None
    return content
