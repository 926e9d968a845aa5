"""What to merge by hand into the files that a service has already."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from penstock.scaffold.service import OSLS, Answers, Templates

_SERVERLESS: Final = {
    "custom": "custom.yml",
    "params": "params.yml",
    "provider:\n  httpApi": "http_api.yml",
    "functions": "functions.yml",
    "resources": "resources.yml",
}
"""The parts of serverless.yml by the key that they stand under."""


@dataclass(frozen=True)
class Merge:
    """What to merge into one file.

    Attributes:
        path: the file, relative to the service's folder.
        text: what it needs.
    """

    path: str
    text: str


def what_to_merge(
    folder: Path, kept: Mapping[str, str], answers: Answers, templates: Templates
) -> Iterator[Merge]:
    """Yield what to merge into each file that was there before and has other text than a new service's.

    Args:
        folder: the folder of the service.
        kept: the text of the file in a new service, by its path.
        answers: what the service is made from.
        templates: the templates of the service.
    """
    for path, text in kept.items():
        if (folder / path).is_file() and (folder / path).read_text(encoding="utf-8", errors="replace") == text:
            continue
        match path:
            case "serverless.yml":
                yield Merge(path, _serverless(answers, templates))
            case "pyproject.toml":
                yield Merge(path, _after(text, "dependencies = ["))
            case "package.json":
                yield Merge(path, f'"devDependencies": {{ "osls": "{OSLS}" }}\n')
            case ".gitignore":
                if missing := _missing_lines(folder / path, text):
                    yield Merge(path, missing)
            case _:
                yield Merge(path, text)


def _serverless(answers: Answers, templates: Templates) -> str:
    parts = "".join(f"{key}:\n{templates.part(part, answers)}\n" for key, part in _SERVERLESS.items())
    return f"# `functions` and `resources` become lists, if they are none.\n{parts}"


def _after(text: str, start: str) -> str:
    return text[text.index(start) :]


def _missing_lines(file: Path, text: str) -> str:
    present = set(file.read_text(encoding="utf-8", errors="replace").splitlines())
    wanted = [line for line in text.splitlines() if not line.startswith("#")]
    return "".join(f"{line}\n" for line in wanted if line not in present)
