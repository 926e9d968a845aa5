"""The state file of a project's local stack, which the other commands read.

The module is cheap to import, because each command with `--stage local` imports it.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

FOLDER: Final = ".penstock"
FILE: Final = "state.json"


@dataclass(frozen=True, slots=True)
class LocalState:
    """The addresses and credentials of a deployed local stack.

    Attributes:
        service: The service's name.
        stack: The name of its CloudFormation stack.
        functions: The names of its deployed functions by their names in serverless.yml.
        endpoint_url: The value for AWS_ENDPOINT_URL.
        region: The AWS region.
        api_url: The URL of the API, without a slash at the end; empty if the service has no API.
        api_headers: The headers that each request to the API needs.
        queue_url: The URL of the queue; empty if the stack does not show which queue it is.
        dead_letter_queue_url: The URL of the dead-letter queue, likewise.
        curl: A shell command that sends an example request to the API; empty if the service has no API.
        fingerprint: A hash of what was deployed, to detect changes.
        database_url: The database's `postgresql://` URL, with its password.
    """

    service: str
    stack: str
    functions: Mapping[str, str]
    endpoint_url: str
    region: str
    api_url: str
    api_headers: Mapping[str, str]
    queue_url: str
    dead_letter_queue_url: str
    curl: str
    fingerprint: str
    database_url: str = field(repr=False)


def load(project: Path) -> LocalState | None:
    """Return the recorded state of a project's local stack, or None if there is no readable state file.

    The function does not check whether the stack is running.

    Args:
        project: The folder with serverless.yml.
    """
    return read(project / FOLDER)


def read(folder: Path) -> LocalState | None:
    """Return the state recorded in a state folder, or None if there is no readable state file."""
    try:
        return LocalState(**json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write(folder: Path, state: LocalState) -> None:
    """Record a state in a state folder; only the owner can read the file."""
    draft = folder / f"{FILE}.draft"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")
    draft.rename(folder / FILE)


def delete(folder: Path) -> None:
    """Delete the state file of a state folder."""
    (folder / FILE).unlink(missing_ok=True)
