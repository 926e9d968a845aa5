"""A service as osls packaged it: serverless.yml with all variables resolved, and the CloudFormation template."""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

from penstock.local import state
from penstock.local.errors import LocalError
from penstock.local.serverless_file import packed_state_error

TEMPLATE_FILE: Final = "cloudformation-template-update-stack.json"
STATE_FILE: Final = "serverless-state.json"
STAGE: Final = "local"
PARTS: Final = ("service", "provider", "functions", "layers", "custom", "initialServerlessConfig")
UNKNOWN_TYPES: Final = re.compile(r"Unrecognized resource types: \[(?P<kinds>[^\]]+)\]")
# What osls derives from the time of packaging or from the bytes of an archive, in names and in one property.
VOLATILE: Final = re.compile(
    r"(?<=ApiGatewayDeployment)\w+|(?<=WebsocketsDeployment)\w+|(?<=LambdaVersion)\w{40,}|"
    r"(?<=\"CodeSha256\": \")[\w+/=]+"
)


@dataclass(frozen=True)
class PackagedService:
    """A packaged service.

    Attributes:
        project: The folder with serverless.yml.
        folder: The folder that osls packaged to.
        service: The parts of the resolved serverless.yml that are used here (`PARTS`).
        directory: The folder of the artifacts in the deployment bucket; its name has the time of packaging.
        template: The CloudFormation template.
    """

    project: Path
    folder: Path
    service: Mapping[str, Any]
    directory: str
    template: Mapping[str, Any]

    @classmethod
    def read(cls, project: Path, folder: Path) -> Self:
        """Read what `osls package` wrote.

        Args:
            project: The folder with serverless.yml.
            folder: The folder that osls packaged to.
        """
        packaged = json.loads((folder / STATE_FILE).read_text(encoding="utf-8"))
        template = json.loads((folder / TEMPLATE_FILE).read_text(encoding="utf-8"))
        resolver = _Resolver(packaged)
        service = {part: resolver.resolve(packaged["service"].get(part)) for part in PARTS}
        return cls(project, folder, service, packaged["package"]["artifactDirectoryName"], template)

    @property
    def name(self) -> str:
        """The service's name."""
        return str(self.service["service"])

    @property
    def stack(self) -> str:
        """The name of the CloudFormation stack."""
        return str(self.service["provider"].get("stackName") or f"{self.name}-{STAGE}")

    @property
    def region(self) -> str:
        """The region to deploy to."""
        return str(self.service["provider"]["region"])

    @property
    def functions(self) -> dict[str, str]:
        """The names of the deployed functions by their names in serverless.yml."""
        return {key: str(function["name"]) for key, function in self._functions.items()}

    @property
    def example(self) -> dict[str, str]:
        """A request to show: `custom.example` of serverless.yml, or else the first route. Empty without an API."""
        given = (self.service.get("custom") or {}).get("example")
        return dict(given) if given else next(self._routes(), {})

    @property
    def token(self) -> str | None:
        """The bearer token of all callers: `params.local.token` of serverless.yml; None if there is none."""
        config = self.service.get("initialServerlessConfig") or {}
        token = ((config.get("params") or {}).get(STAGE) or {}).get("token")
        return str(token) if token else None

    def variables(self) -> Iterator[tuple[str, str, Any]]:
        """Yield each environment variable of each function: the function's name in serverless.yml, name, value."""
        keys = {deployed: key for key, deployed in self.functions.items()}
        for resource in self.template["Resources"].values():
            if resource["Type"] == "AWS::Lambda::Function":
                properties = resource["Properties"]
                for name, value in properties.get("Environment", {}).get("Variables", {}).items():
                    yield keys.get(properties.get("FunctionName"), "?"), name, value

    def logical_id(self, variable: str) -> str | None:
        """Return the resource that an environment variable refers to with `!Ref`, in any function."""
        for _, name, value in self.variables():
            if name == variable and isinstance(value, dict) and isinstance(value.get("Ref"), str):
                return str(value["Ref"])
        return None

    def explain_unknown_types(self, output: str) -> str | None:
        """Return which resources the local AWS does not have, if that is what the output of osls is about."""
        found = UNKNOWN_TYPES.search(output)
        if found is None:
            return None
        kinds = set(found["kinds"].split(", "))
        names = [
            f"{name} ({one['Type']})" for name, one in self.template["Resources"].items() if one["Type"] in kinds
        ]
        return (
            f"{self.project / 'serverless.yml'}: the local AWS does not have the resources {', '.join(names)}. "
            "Leave them out of the stage `local`"
        )

    def fingerprint(self) -> str:
        """Return a hash of all that is deployed: the template and the content of the artifacts.

        An archive counts by the names and checksums of its files, because a build can write other times each run.

        Raises:
            LocalError: An artifact is not an archive, or it has the state of the local stack.
        """
        template = json.dumps(self.template, sort_keys=True).replace(self.directory, "")
        digest = hashlib.sha256(VOLATILE.sub("", template).encode())
        for artifact in sorted(self._artifacts()):
            digest.update(artifact.name.encode())
            entries = _entries(artifact)
            if any(name.startswith(f"{state.FOLDER}/") for name, *_ in entries):
                raise packed_state_error(self.project)
            digest.update(repr(entries).encode())
        return digest.hexdigest()

    @property
    def _functions(self) -> Mapping[str, Any]:
        functions: Mapping[str, Any] = self.service.get("functions") or {}
        return functions

    def _artifacts(self) -> set[Path]:
        """Return the archives that osls made, and those that serverless.yml names."""
        config = self.service.get("initialServerlessConfig") or {}
        layers = self.service.get("layers") or {}
        named = [
            (owner.get("package") or {}).get("artifact")
            for owner in (config, *self._functions.values(), *layers.values())
        ]
        # osls also names archives that it has moved to the folder since.
        existing = (path for path in (self.project / name for name in named if name) if path.exists())
        return {*self.folder.glob("*.zip"), *existing}

    def _routes(self) -> Iterator[dict[str, str]]:
        for function in self._functions.values():
            for event in function.get("events") or []:
                if "resolvedPath" in event:
                    yield {"method": event["resolvedMethod"], "path": event["resolvedPath"]}


def _entries(artifact: Path) -> list[tuple[str, int, int]]:
    """Return the names, checksums and sizes of the files of an archive."""
    try:
        with zipfile.ZipFile(artifact) as archive:
            return sorted((one.filename, one.CRC, one.file_size) for one in archive.infolist())
    except zipfile.BadZipFile:
        message = (
            f"{artifact} is not a zip archive: serverless.yml names it as the artifact of a function or layer"
        )
        raise LocalError(message) from None


class _Resolver:
    """Replaces the references that osls writes for an object that occurs twice, e.g. `$["functions"]["a"]`."""

    def __init__(self, root: Any) -> None:
        self._root = root

    def resolve(self, value: Any, above: tuple[str, ...] = ()) -> Any:
        """Return a value without references; a reference to an object around it becomes None."""
        if isinstance(value, list):
            return [self.resolve(item, above) for item in value]
        if not isinstance(value, dict):
            return value
        target = value.get("$ref")
        if isinstance(target, str) and target.startswith("$"):
            return None if target in above else self.resolve(self._find(target), (*above, target))
        return {key: self.resolve(item, above) for key, item in value.items()}

    def _find(self, target: str) -> Any:
        found = self._root
        for step in json.loads(target.removeprefix("$").replace("][", ",") or "[]"):
            found = found[step]
        return found
