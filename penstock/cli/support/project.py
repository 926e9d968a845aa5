"""The service that the current folder belongs to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from penstock.cli.support.errors import USAGE, Failure
from penstock.project.serverless import NAME, load


@dataclass(frozen=True, slots=True)
class Project:
    """The folder of a service.

    Attributes:
        folder: the folder with serverless.yml, or the current folder if there is no such file.
        service: the service's name in serverless.yml; None if there is none, or if only the Serverless Framework
            can resolve it.
    """

    folder: Path
    service: str | None

    @classmethod
    def find(cls, start: Path) -> Self:
        """Find serverless.yml in a folder or in one above it.

        Raises:
            penstock.project.errors.ProjectError: serverless.yml is not YAML.
        """
        for folder in (start, *start.parents):
            if (folder / NAME).is_file():
                return cls(folder, _service_name(folder / NAME))
        return cls(start, None)

    def name(self, given: str | None) -> str:
        """Return the service's name: the given one, or else the one in serverless.yml.

        Raises:
            Failure: neither is known.
        """
        name = given or self.service
        if name is None:
            raise Failure(
                f"the service's name is not known: there is no {NAME} with a plain `service:` in this folder or "
                "above. Give --service",
                USAGE,
            )
        return name


def _service_name(file: Path) -> str | None:
    content: Any = load(file)
    name = content.get("service") if isinstance(content, dict) else None
    name = name.get("name") if isinstance(name, dict) else name
    return name if isinstance(name, str) and "${" not in name else None
