"""A service deployed to the local AWS: what it needs beforehand, whether it is current, what came of it."""

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
SETTLED: Final = {"CREATE_COMPLETE", "UPDATE_COMPLETE"}
# No proxy, whatever the environment says: everything is on loopback.
CONFIG: Final = Config(connect_timeout=5, read_timeout=30, proxies={})


class Deployment:
    """The stack of one service in a local AWS.

    Args:
        project: The folder with serverless.yml.
        endpoint_url: Where the local AWS answers.
    """

    def __init__(self, project: Path, endpoint_url: str) -> None:
        self._config = _config(project)
        self.service = str(self._config["service"])
        self._project = project
        self._endpoint_url = endpoint_url

    def put_database_url(self, database_url: str) -> None:
        """Keep the database's URL in the secret that serverless.yml expects of its users on every stage."""
        name = f"penstock/{self.service}/{STAGE}/database-url"
        try:
            self._secrets.put_secret_value(SecretId=name, SecretString=database_url)
        except self._secrets.exceptions.ResourceNotFoundException:
            self._secrets.create_secret(Name=name, SecretString=database_url)

    def settled(self) -> bool:
        """Tell whether the stack takes a deployment: after a failed or interrupted one it does not."""
        status, _ = self._stack()
        return status is None or status in SETTLED

    def outputs(self) -> dict[str, str]:
        """Return the stack's outputs by name; none if it is not there."""
        _, outputs = self._stack()
        return outputs

    def api_headers(self, api_id: str) -> dict[str, str]:
        """Return the headers that lead a request at the local AWS's address to an API, and into it.

        The token is that of `params.local` in serverless.yml, if there is one.
        """
        token = self._config.get("params", {}).get(STAGE, {}).get("token")
        host = {"Host": f"{api_id}.execute-api.localhost:{urlsplit(self._endpoint_url).port}"}
        return host | ({"Authorization": f"Bearer {token}"} if token else {})

    def curl(self, headers: Mapping[str, str]) -> str:
        """Return a command that sends the example in serverless.yml (`custom.example`), if it has one.

        Args:
            headers: Those of the API.
        """
        example = self._config.get("custom", {}).get("example", {"path": "/"})
        words = ["curl", "-i", *(word for item in headers.items() for word in ("-H", ": ".join(item)))]
        if "body" in example:
            words += ["-H", "Content-Type: application/json", "-d", example["body"]]
        return shlex.join([*words, self._endpoint_url + example["path"]])

    def fingerprint(self, aws_identity: str | None) -> str:
        """Return a text that changes with what is to be deployed, and with the local AWS that it goes to.

        Args:
            aws_identity: That of the local AWS, which forgets what was deployed when it stops.
        """
        digest = hashlib.sha256(repr((aws_identity, self._endpoint_url)).encode())
        for path in self._deciding_files():
            digest.update(path.name.encode() + path.read_bytes())
        return digest.hexdigest()

    def _deciding_files(self) -> Iterator[Path]:
        """Yield what decides about a deployment; of an artifact, the digest that the build keeps beside it."""
        yield self._project / "serverless.yml"
        yield from sorted((self._project / "infra").glob("*.yml"))
        yield from sorted((self._project / "build" / STAGE).glob("*.sha256"))

    def _stack(self) -> tuple[str | None, dict[str, str]]:
        """Return the stack's status, None if there is no stack, and its outputs."""
        try:
            stack = self._stacks.describe_stacks(StackName=f"{self.service}-{STAGE}")["Stacks"][0]
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
    def _stacks(self) -> "CloudFormationClient":
        return self._session.client("cloudformation", endpoint_url=self._endpoint_url, config=CONFIG)


def _config(project: Path) -> dict[str, Any]:
    try:
        content: dict[str, Any] = yaml.safe_load((project / "serverless.yml").read_text(encoding="utf-8"))
        content["service"]
    except (OSError, KeyError, TypeError, yaml.YAMLError):
        message = f"{project} has no serverless.yml with a `service:`"
        raise LocalError(message) from None
    return content
