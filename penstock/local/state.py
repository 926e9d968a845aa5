"""What is known of a project's local stack, kept in a file for the other commands.

Cheap to import: it is read by every command that takes `--stage local`.
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
    """A deployed local stack and the way to it.

    Attributes:
        service: The service's name, as in serverless.yml.
        endpoint_url: What AWS_ENDPOINT_URL has to be.
        region: The AWS region.
        api_url: Where the API answers, without a slash at its end.
        api_headers: The headers that each request to the API needs.
        queue_url: The URL of the queue.
        dead_letter_queue_url: The URL of the dead-letter queue.
        curl: A command that sends an example to the API, as a shell reads it.
        fingerprint: What was deployed, to tell whether it is current.
        database_url: The database's `postgresql://` URL, with its password.
    """

    service: str
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
    """Return what is recorded of the local stack of a project, or None if nothing (readable) is.

    Args:
        project: The folder with serverless.yml. It is not checked whether the stack runs.
    """
    return read(project / FOLDER)


def read(folder: Path) -> LocalState | None:
    """Return what is recorded in a state folder, or None."""
    try:
        return LocalState(**json.loads((folder / FILE).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        return None


def write(folder: Path, state: LocalState) -> None:
    """Record a stack in a state folder, for its owner alone to read."""
    draft = folder / f"{FILE}.draft"
    draft.unlink(missing_ok=True)
    draft.touch(mode=0o600)
    draft.write_text(json.dumps(asdict(state), indent=2), encoding="utf-8")
    draft.rename(folder / FILE)


def forget(folder: Path) -> None:
    """Drop what is recorded in a state folder."""
    (folder / FILE).unlink(missing_ok=True)
