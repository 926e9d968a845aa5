"""What the user should know about a build that did not fail."""

from collections.abc import Iterable, Iterator, Sequence

from penstock.artifacts.build import Artifact
from penstock.artifacts.limits import LIMIT_BYTES, is_near, megabytes
from penstock.artifacts.target import LOCAL
from penstock.project.config import TABLE
from penstock.project.serverless import NAME


def notes(artifacts: Sequence[Artifact], stage: str) -> list[str]:
    """Return what the user should know about the artifacts of a stage, a sentence each."""
    found = [*_without_bytecode(artifacts, stage), *_near_the_limit(artifacts), *_folders(artifacts)]
    return [*found, *_unnamed(artifacts)]


def _without_bytecode(artifacts: Iterable[Artifact], stage: str) -> Iterator[str]:
    versions = {one.plan.target.python for one in artifacts if not one.bytecode}
    for version in sorted(versions) if stage != LOCAL else ():
        yield (
            f"there is no release of CPython {version} on this machine, so the artifacts have no bytecode and "
            f"functions start more slowly: `uv python install {version}`"
        )


def _near_the_limit(artifacts: Iterable[Artifact]) -> Iterator[str]:
    for one in artifacts:
        if is_near(one.unzipped_bytes):
            yield (
                f"{one.plan.name} has {megabytes(one.unzipped_bytes)} unzipped; Lambda accepts "
                f"{megabytes(LIMIT_BYTES)}, layers included"
            )


def _folders(artifacts: Iterable[Artifact]) -> Iterator[str]:
    for name in sorted({name for one in artifacts for name in one.requirements.folders}):
        yield (
            f"{name} is a folder in the lock file, not a wheel: name its modules in `include` of an artifact, and "
            "what it depends on in `dependencies`"
        )


def _unnamed(artifacts: Iterable[Artifact]) -> Iterator[str]:
    for one in artifacts:
        if one.plan.unnamed:
            table = f"[{TABLE}.build.artifacts.{one.plan.name}]"
            yield f"no function in {NAME} has the artifact {one.plan.archive}: name it there, or take {table} out"
