"""The machine that an artifact is built for."""

import platform
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from penstock.artifacts.errors import BuildError
from penstock.project.config import BuildConfig
from penstock.project.serverless import Serverless

LOCAL: Final = "local"
"""The stage that runs on this machine."""

_PROCESSORS: Final = {"arm64": "aarch64", "x86_64": "x86_64"}
# Runtimes since 3.12 are based on Amazon Linux 2023 with glibc 2.34, older ones on Amazon Linux 2 with glibc 2.26
# (AWS Lambda Developer Guide, "Lambda runtimes").
_FIRST_ON_AL2023: Final = (3, 12)


@dataclass(frozen=True)
class Target:
    """The machine that an artifact runs on.

    Attributes:
        python: its version of Python, such as `3.14`.
        architecture: its architecture as AWS names it; None for this machine.
    """

    python: str
    architecture: str | None

    def options(self) -> list[str]:
        """Return the options with which uv selects wheels for the target."""
        options = ["--python", sys.executable]
        if self.architecture:
            version = tuple(map(int, self.python.split(".")))
            glibc = "2_34" if version >= _FIRST_ON_AL2023 else "2_17"
            processor = _PROCESSORS[self.architecture]
            options += ["--python-version", self.python, "--python-platform", f"{processor}-manylinux_{glibc}"]
        return options

    def __str__(self) -> str:
        return f"Python {self.python}, {self.architecture or 'this machine'}"


def find_target(
    build: BuildConfig, serverless: Serverless | None, stage: str, functions: Sequence[str] = ()
) -> Target:
    """Return the machine that some functions, which share an artifact, run on.

    Args:
        build: the configuration, which goes before serverless.yml.
        serverless: the file, if there is one.
        stage: the stage; `local` is this machine.
        functions: the names of the functions in serverless.yml; empty if they are not known.

    Raises:
        BuildError: the target is not known, or the functions have more than one.
    """
    if stage == LOCAL:
        return Target(".".join(platform.python_version_tuple()[:2]), None)
    runtime = build.python or _shared("runtime", serverless, functions)
    architecture = build.architecture or _shared("architecture", serverless, functions)
    python = re.fullmatch(r"(?:python)?(3\.\d+)", runtime or "")
    if python is None:
        raise _unknown("python", "version of Python", "runtime", "3.14")
    if architecture not in _PROCESSORS:
        raise _unknown("architecture", "architecture", "architecture", "arm64")
    return Target(python[1], architecture)


def _shared(key: str, serverless: Serverless | None, functions: Sequence[str]) -> str | None:
    """Return the `runtime` or `architecture` of some functions, which is their own or the provider's."""
    if serverless is None:
        return None
    found = {name: serverless.of_function(name, key) for name in functions}
    if len({*found.values()}) > 1:
        each = ", ".join(f"{name}: {value}" for name, value in found.items())
        raise BuildError(
            f"functions of one artifact differ in `{key}` ({each}): give each of them an artifact of its own, in "
            "serverless.yml and in [tool.penstock.build.artifacts]"
        )
    return next(iter(found.values()), serverless.of_provider(key))


def _unknown(key: str, what: str, place: str, example: str) -> BuildError:
    return BuildError(
        f"the {what} of the functions is not known: serverless.yml is missing, or its `{place}` cannot be read "
        f'here. Write {key} = "{example}" under [tool.penstock.build] in pyproject.toml'
    )
