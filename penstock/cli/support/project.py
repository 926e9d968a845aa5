"""The service that the current folder belongs to."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import yaml

from penstock.cli.support.errors import USAGE, Failure

_FILE = "serverless.yml"


@dataclass(frozen=True, slots=True)
class Project:
    """A folder with a serverless.yml, or just a folder.

    Attributes:
        folder: where serverless.yml is; the current folder where there is none.
        service: the name in it; None where it has none that can be read without the Serverless Framework.
    """

    folder: Path
    service: str | None

    @classmethod
    def find(cls, start: Path) -> Self:
        """Look in a folder and those above it.

        Raises:
            Failure: serverless.yml is not YAML.
        """
        for folder in (start, *start.parents):
            if (folder / _FILE).is_file():
                return cls(folder, _service(folder / _FILE))
        return cls(start, None)

    def name(self, given: str | None) -> str:
        """Return the service's name, the given one first.

        Raises:
            Failure: there is none.
        """
        name = given or self.service
        if name is None:
            raise Failure(
                f"which service? No {_FILE} with a plain `service:` here or above: give --service", USAGE
            )
        return name


class _Loader(yaml.SafeLoader):
    """Reads CloudFormation's short tags (`!Ref`, `!Sub`) as nothing: only plain names are asked for."""


_Loader.add_multi_constructor("!", lambda *_: None)


def _service(file: Path) -> str | None:
    try:
        content: Any = yaml.load(file.read_text(encoding="utf-8"), _Loader)  # noqa: S506 (a SafeLoader)
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise Failure(f"{file} is not YAML") from error
    name = content.get("service") if isinstance(content, dict) else None
    name = name.get("name") if isinstance(name, dict) else name
    return name if isinstance(name, str) and "${" not in name else None
