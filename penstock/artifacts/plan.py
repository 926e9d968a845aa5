"""Which artifacts a stage has, and for which machine each of them is."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Final

from penstock.artifacts.errors import BuildError
from penstock.artifacts.target import Target, find_target
from penstock.project.config import FILE, TABLE, ArtifactConfig, Config
from penstock.project.serverless import NAME, Serverless

_STAGE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")
_EXAMPLE: Final = f"""
[{TABLE}.build.artifacts.producer]
include = ["producer", "shared"]

[{TABLE}.build.artifacts.consumer]
include = ["consumer", "shared"]
extras = ["consumer"]
"""


@dataclass(frozen=True)
class Plan:
    """What an artifact is built from.

    Attributes:
        name: its name.
        archive: the path of the archive.
        content: its table in pyproject.toml.
        target: the machine that it runs on.
        unnamed: whether serverless.yml has functions with archives, and none with this one.
    """

    name: str
    archive: Path
    content: ArtifactConfig
    target: Target
    unnamed: bool


def make_plans(config: Config, serverless_folder: Path, stage: str) -> list[Plan]:
    """Return the plan of each artifact of a stage.

    Args:
        config: the configuration.
        serverless_folder: the folder of serverless.yml, which does not have to exist.
        stage: the stage.

    Raises:
        BuildError: there can be no such stage, pyproject.toml has no artifacts or lacks one that serverless.yml
            names, or the target of one is not known.
    """
    if not _STAGE.fullmatch(stage):
        raise BuildError(f"{stage!r} is no stage: its name has letters, digits and - inside, such as dev")
    artifacts = config.build.artifacts
    if not artifacts:
        raise BuildError(
            f"{config.folder / FILE} does not say what is in the artifacts. Write a table for each:\n{_EXAMPLE}\n"
            f"and name the archive in {NAME}: `package: {{artifact: build/${{sls:stage}}/producer.zip}}`"
        )
    folder = config.build_folder / stage
    serverless = Serverless.read(serverless_folder / NAME, stage)
    named = _named(serverless, serverless_folder) if serverless else {}
    _refuse_unknown(named, folder, artifacts)
    all_known = bool(named) and serverless is not None and serverless.knows_all_functions
    plans = []
    for name, content in artifacts.items():
        archive = folder / f"{name}.zip"
        target = find_target(config.build, serverless, stage, named.get(archive, ()))
        plans.append(Plan(name, archive, content, target, unnamed=all_known and archive not in named))
    return plans


def _named(serverless: Serverless, folder: Path) -> dict[Path, tuple[str, ...]]:
    """Return the functions of each archive that serverless.yml names; a layer is no function."""
    named: dict[Path, tuple[str, ...]] = {}
    for function in serverless.functions:
        if path := serverless.artifact(function):
            archive = (folder / path).resolve()
            named[archive] = (*named.get(archive, ()), function)
    for path in serverless.layers():
        named.setdefault((folder / path).resolve(), ())
    return named


def _refuse_unknown(named: Mapping[Path, object], folder: Path, artifacts: Mapping[str, object]) -> None:
    unknown = [path for path in named if path.parent == folder and path.stem not in artifacts]
    if unknown:
        near = get_close_matches(unknown[0].stem, artifacts, n=1) or sorted(artifacts)
        raise BuildError(
            f"{NAME} names the artifact {unknown[0]}, which is not built: add [{TABLE}.build.artifacts."
            f"{unknown[0].stem}] to {FILE}, or name {' or '.join(near)} in {NAME}"
        )
