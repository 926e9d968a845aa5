"""Building the artifacts of a stage: `build/STAGE/NAME.zip` for each table `[tool.penstock.build.artifacts.NAME]`.

An artifact contains the files that its table includes, the part of the framework that it needs, and dependencies
in the versions of the lock file. The same input gives the same bytes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from penstock.artifacts.archive import write_if_changed
from penstock.artifacts.bytecode import compiled, find_python
from penstock.artifacts.dependencies import Requirements, find_requirements, install
from penstock.artifacts.files import dependency_files, framework_files, merge, own_files
from penstock.artifacts.limits import refuse_too_large
from penstock.artifacts.lock import Lock, read_lock
from penstock.artifacts.plan import Plan, make_plans
from penstock.locks import locked
from penstock.project.config import Config


@dataclass(frozen=True)
class Artifact:
    """A built artifact.

    Attributes:
        plan: what it was built from.
        requirements: what it requires.
        dependencies: the folder that its dependencies are installed in.
        changed: whether the archive was written, because its content had changed.
        zip_bytes: the size of the archive.
        unzipped_bytes: the size of its files.
        bytecode: whether it has bytecode.
    """

    plan: Plan
    requirements: Requirements
    dependencies: Path
    changed: bool
    zip_bytes: int
    unzipped_bytes: int
    bytecode: bool


def ignore(_step: str) -> None:
    """Show no progress."""


def build(
    config: Config, serverless_folder: Path, stage: str, progress: Callable[[str], None] = ignore
) -> list[Artifact]:
    """Build the artifacts of a stage. Two builds of a service never run at once.

    Args:
        config: the configuration.
        serverless_folder: the folder of serverless.yml, which does not have to exist.
        stage: the name of the stage, as in `osls deploy --stage`; `local` is built for this machine.
        progress: called with the text of each step before the step starts.

    Raises:
        BuildError: an artifact cannot be built. The archives before it are built, the others as they were.
        penstock.project.errors.ProjectError: serverless.yml is not YAML.
    """
    plans = make_plans(config, serverless_folder, stage)
    with locked(config.build_folder / ".lock"):
        progress("reading the lock file")
        lock = read_lock(config)
        return [_build(config, lock, plan, progress) for plan in plans]


def _build(config: Config, lock: Lock, plan: Plan, progress: Callable[[str], None]) -> Artifact:
    progress(f"building {plan.name} for {plan.target}")
    python = find_python(plan.target, config.folder)
    requirements = find_requirements(config, plan.content, lock)
    own = own_files(config, plan.name, plan.content)
    if requirements.own:
        own = {**own, **framework_files(config.folder, plan.content.extras)}
    dependencies = install(config, requirements, lock, plan.target, python)
    with compiled(own, python) as own_and_bytecode:
        files = merge(plan.name, own_and_bytecode, dependency_files(dependencies, plan.content.extras))
        size = refuse_too_large(plan.name, files)
        changed = write_if_changed(plan.archive, files)
    bytecode = any(name.endswith(".pyc") for name in files)
    return Artifact(plan, requirements, dependencies, changed, plan.archive.stat().st_size, size, bytecode)
