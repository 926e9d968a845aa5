"""Which artifacts are built for which machine, from pyproject.toml and serverless.yml."""

from pathlib import Path

import pytest

from penstock.artifacts.errors import BuildError
from penstock.artifacts.plan import Plan, make_plans
from penstock.artifacts.target import Target
from penstock.project.config import Config

CONFIG = """
[tool.penstock.build.artifacts.producer]
include = ["app"]
[tool.penstock.build.artifacts.consumer]
include = ["app"]
"""
SERVERLESS = """
service: farm
custom: {version: python3.12}
params: {default: {arch: x86_64}, prod: {arch: arm64}}
provider: {name: aws, runtime: "${self:custom.version}", architecture: "${param:arch}"}
functions:
  api: {handler: app/api.handler, package: {artifact: "build/${sls:stage}/producer.zip"}}
  drain: {handler: app/writes.handler, package: {artifact: "build/${opt:stage, 'dev'}/consumer.zip"}}
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of a service with two artifacts."""
    (tmp_path / "pyproject.toml").write_text(CONFIG)
    (tmp_path / "serverless.yml").write_text(SERVERLESS)
    return tmp_path


def edit(file: Path, old: str, new: str) -> None:
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def plans(folder: Path, stage: str = "dev") -> dict[str, Plan]:
    return {plan.name: plan for plan in make_plans(Config.find(folder), folder, stage)}


def targets(folder: Path, stage: str = "dev") -> list[Target]:
    return [plan.target for plan in plans(folder, stage).values()]


def test_the_target_of_serverless_yml(folder: Path) -> None:
    """Runtime and architecture come from the provider, with its parameters for the stage, or from a function."""
    assert targets(folder) == [Target("3.12", "x86_64"), Target("3.12", "x86_64")]
    assert targets(folder, "prod") == [Target("3.12", "arm64"), Target("3.12", "arm64")]
    edit(folder / "serverless.yml", "app/api.handler,", "app/api.handler, architecture: arm64,")
    assert targets(folder) == [Target("3.12", "arm64"), Target("3.12", "x86_64")]


def test_the_default_architecture(folder: Path) -> None:
    """Without an architecture the functions run on x86_64, as osls has it."""
    edit(folder / "serverless.yml", ', architecture: "${param:arch}"', "")
    assert targets(folder, "prod")[0] == Target("3.12", "x86_64")


def test_the_configuration_goes_first(folder: Path) -> None:
    """A target in pyproject.toml is used instead of the one in serverless.yml, which may be missing."""
    with (folder / "pyproject.toml").open("a") as file:
        file.write('[tool.penstock.build]\npython = "3.14"\narchitecture = "arm64"\n')
    assert targets(folder)[0] == Target("3.14", "arm64")
    (folder / "serverless.yml").unlink()
    assert targets(folder)[0] == Target("3.14", "arm64")


def test_functions_that_differ(folder: Path) -> None:
    """Functions of one artifact that run on different machines are named."""
    with (folder / "serverless.yml").open("a") as file:
        file.write("  old: {runtime: python3.13, package: {artifact: build/dev/producer.zip}}")
    with pytest.raises(BuildError, match=r"differ in `runtime` \(api: python3\.12, old: python3\.13\)"):
        plans(folder)


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("service: farm", "python"),
        (SERVERLESS.replace("param:arch", "ssm:/arch"), "architecture"),
        (SERVERLESS.replace("python3.12", "nodejs24.x"), "python"),
        (SERVERLESS.replace("self:custom.version", "self:provider.runtime"), "python"),
        ("", "python"),
    ],
)
def test_an_unknown_target(folder: Path, text: str, key: str) -> None:
    """A target that neither file has is an error that says what to write."""
    (folder / "serverless.yml").write_text(text)
    with pytest.raises(BuildError, match=rf'Write {key} = ".*" under \[tool\.penstock\.build\]'):
        plans(folder)


def test_an_artifact_that_is_not_built(folder: Path) -> None:
    """An artifact that only serverless.yml names is refused, with the nearest name; one of another tool is not."""
    edit(folder / "serverless.yml", "app/api.handler,", "app/api.handler, layers: [],")
    edit(folder / "serverless.yml", "functions:", "functions:\n  js: {package: {artifact: dist/js.zip}}")
    plans(folder)
    edit(folder / "serverless.yml", "producer.zip", "producers.zip")
    with pytest.raises(
        BuildError, match=r"build/dev/producers\.zip, which is not built.* name producer in serverless"
    ):
        plans(folder)


def test_an_artifact_that_no_function_has(folder: Path) -> None:
    """An artifact is known to be unused if serverless.yml names others, for functions, the service or layers."""
    assert not any(plan.unnamed for plan in plans(folder).values())
    edit(folder / "serverless.yml", "/consumer.zip", "/producer.zip")
    assert plans(folder)["consumer"].unnamed
    with (folder / "serverless.yml").open("a") as file:
        file.write("layers: {all: {package: {artifact: build/dev/consumer.zip}}}\n")
    assert not plans(folder)["consumer"].unnamed
    (folder / "serverless.yml").write_text("functions: ${file(functions.yml)}\nprovider: {runtime: python3.12}\n")
    assert not plans(folder)["consumer"].unnamed


@pytest.mark.parametrize("stage", ["", "../dev", "a/b", "${x}"])
def test_no_stage(folder: Path, stage: str) -> None:
    """A name that cannot be a stage's is refused, because it is part of paths."""
    with pytest.raises(BuildError, match="is no stage"):
        plans(folder, stage)
