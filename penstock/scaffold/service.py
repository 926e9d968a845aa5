"""The files of a new service, from the answers of whoever makes it."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from typing import Any, Final

from jinja2 import BaseLoader, Environment, PackageLoader, StrictUndefined

from penstock.artifacts.framework import DISTRIBUTION
from penstock.infra import include_file

OSLS: Final = "4.3.1"
"""The version of osls that a new service deploys with."""

# osls takes letters, digits and hyphens. SQS's names have 80 characters at most, with the stage and a suffix.
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{1,39}")
_SUFFIX: Final = ".jinja"
_PARTS: Final = "parts/"
_HIDDEN: Final = {"gitignore": ".gitignore"}
_NOT_MINIMAL: Final = ("tests/", "README.md", "package.json")


class AnswerError(Exception):
    """A service cannot be made with an answer; the message says why, and what to answer."""


@dataclass(frozen=True)
class Answers:
    """What a service is made from.

    Attributes:
        name: its name: letters, digits and hyphens, from 2 to 40, beginning with a letter.
        minimal: whether only what is deployed is made: no tests, no README, no package.json.
        vpc: whether the functions that use the database are inside a VPC.
        fifo: whether the queue is a FIFO queue.

    Raises:
        AnswerError: the name has another form.
    """

    name: str
    minimal: bool = False
    vpc: bool = False
    fifo: bool = False

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise AnswerError(
                f"{self.name!r} cannot be the name of a service: take letters, digits and hyphens, from 2 to 40, "
                "beginning with a letter"
            )


class Templates:
    """The templates of the installed version.

    Args:
        loader: where they are; those in this package by default.
    """

    def __init__(self, loader: BaseLoader | None = None) -> None:
        self._environment = Environment(  # noqa: S701 (it makes no HTML)
            loader=loader or PackageLoader("penstock.scaffold", "template"),
            undefined=StrictUndefined,
            keep_trailing_newline=True,
            trim_blocks=True,
        )

    def render(self, answers: Answers) -> dict[str, str]:
        """Return the text of each file of a service, by its path in the service's folder."""
        values = _values(answers)
        files = {include_file.NAME: include_file.include_file()}
        for template in self._environment.list_templates():
            path = template.removesuffix(_SUFFIX)
            if path.startswith(_PARTS) or (answers.minimal and path.startswith(_NOT_MINIMAL)):
                continue
            files[_HIDDEN.get(path, path)] = self._environment.get_template(template).render(values, new=True)
        return files

    def part(self, name: str, answers: Answers) -> str:
        """Return the text of a part for a service that exists, such as `functions.yml`."""
        return self._environment.get_template(f"{_PARTS}{name}{_SUFFIX}").render(_values(answers), new=False)


def _values(answers: Answers) -> Mapping[str, Any]:
    installed = version(DISTRIBUTION)
    series = ".".join(installed.split(".")[:2])
    following = f"{series.split('.')[0]}.{int(series.split('.')[1]) + 1}"
    bounds = f">={installed},<{following}"
    return asdict(answers) | {
        "osls": OSLS,
        "requirement": f"{DISTRIBUTION}{bounds}",
        "development_requirement": f"{DISTRIBUTION}[{'local' if answers.minimal else 'testing'}]{bounds}",
    }
