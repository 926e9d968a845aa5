"""A service as osls packaged it: names, region, artifacts, fingerprint, and the secrets of the database."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from penstock.local.database_secrets import DatabaseSecrets
from penstock.local.errors import LocalError
from penstock.local.packaged import PackagedService
from penstock.local.service_stack import ServiceStack

LOCAL_URL = "postgresql://local"
Edit = Callable[[dict[str, Any], dict[str, Any]], None]


def unchanged(_state: dict[str, Any], _template: dict[str, Any]) -> None:
    pass


def write_zip(file: Path, files: dict[str, str], year: int = 2020) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, (year, 1, 1, 0, 0, 0)), content)


def packaged(project: Path, edit: Edit = unchanged, time: str = "1") -> PackagedService:
    """Write what osls writes for a small service with its own zip, and read it."""
    directory = f"serverless/press/local/{time}"
    state: dict[str, Any] = {
        "service": {
            "service": "press",
            "provider": {"name": "aws", "region": "eu-central-1"},
            "functions": {
                "front": {
                    "name": "press-local-front",
                    "package": {"artifact": "out/front.zip"},
                    "events": [
                        {"schedule": "rate(1 day)"},
                        {"httpApi": "POST /letters", "resolvedMethod": "POST", "resolvedPath": "/letters"},
                    ],
                }
            },
            "initialServerlessConfig": {"functions": {"$ref": '$["service"]["functions"]'}},
        },
        "package": {"artifactDirectoryName": directory},
    }
    template: dict[str, Any] = {
        "Resources": {
            "FrontLambdaFunction": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": "press-local-front",
                    "Code": {"S3Key": f"{directory}/front.zip"},
                    "Environment": {"Variables": {"PENSTOCK_QUEUE_URL": {"Ref": "Letters"}}},
                },
            },
            f"FrontLambdaVersion{time * 43}": {
                "Type": "AWS::Lambda::Version",
                "Properties": {"CodeSha256": f"{time * 43}="},
            },
            f"ApiGatewayDeployment{time * 13}": {"Type": "AWS::ApiGateway::Deployment"},
        }
    }
    edit(state, template)
    folder = project / "package"
    folder.mkdir(exist_ok=True)
    (folder / "serverless-state.json").write_text(json.dumps(state))
    (folder / "cloudformation-template-update-stack.json").write_text(json.dumps(template))
    return PackagedService.read(project, folder)


def set_variable(name: str, value: Any) -> Edit:
    def edit(_state: dict[str, Any], template: dict[str, Any]) -> None:
        template["Resources"]["FrontLambdaFunction"]["Properties"]["Environment"]["Variables"][name] = value

    return edit


def test_names(tmp_path: Path) -> None:
    """The service's name, stack, region, functions, example and queue are the ones that osls resolved."""
    service = packaged(tmp_path)
    assert (service.name, service.stack, service.region) == ("press", "press-local", "eu-central-1")
    assert service.functions == {"front": "press-local-front"}
    assert service.example == {"method": "POST", "path": "/letters"}
    assert service.logical_id("PENSTOCK_QUEUE_URL") == "Letters"
    assert service.logical_id("PENSTOCK_DEAD_LETTER_QUEUE_URL") is None
    assert service.token is None


def test_a_service_that_is_not_deployed_can_be(tmp_path: Path, local_aws_endpoint: str) -> None:
    """A stack that does not exist accepts a deployment: the local AWS is not started anew for the first one."""
    stack = ServiceStack(packaged(tmp_path), local_aws_endpoint, LOCAL_URL)
    assert stack.accepts_deployment()
    assert stack.outputs() == {}


def test_own_stack_name_token_and_example(tmp_path: Path) -> None:
    """`provider.stackName`, `params.local.token` and `custom.example` are used if they are there."""

    def edit(state: dict[str, Any], _template: dict[str, Any]) -> None:
        state["service"]["provider"]["stackName"] = "printing"
        state["service"]["custom"] = {"example": {"path": "/x", "body": "{}"}}
        state["service"]["initialServerlessConfig"]["params"] = {"local": {"token": "let-me-in"}}

    service = packaged(tmp_path, edit)
    assert (service.stack, service.token) == ("printing", "let-me-in")
    assert service.example == {"path": "/x", "body": "{}"}


def test_references(tmp_path: Path) -> None:
    """What osls writes once and refers to is read in both places, and a reference to itself ends."""

    def edit(state: dict[str, Any], _template: dict[str, Any]) -> None:
        state["service"]["custom"] = {
            "requests": [{"path": "/shared"}],
            "example": {"$ref": '$["service"]["custom"]["requests"][0]'},
            "self": {"$ref": '$["service"]["custom"]'},
        }

    assert packaged(tmp_path, edit).example == {"path": "/shared"}


def test_changed_code_changes_the_fingerprint(tmp_path: Path) -> None:
    """A changed file in an artifact that serverless.yml names changes the fingerprint, whatever built it."""
    write_zip(tmp_path / "out" / "front.zip", {"front.py": "one"})
    before = packaged(tmp_path).fingerprint()
    write_zip(tmp_path / "out" / "front.zip", {"front.py": "two"})
    assert packaged(tmp_path).fingerprint() != before


def test_code_that_osls_packs_changes_the_fingerprint(tmp_path: Path) -> None:
    """A changed file in an artifact that osls made changes the fingerprint."""
    write_zip(tmp_path / "package" / "press.zip", {"front.py": "one"})
    before = packaged(tmp_path).fingerprint()
    write_zip(tmp_path / "package" / "press.zip", {"front.py": "two"})
    assert packaged(tmp_path).fingerprint() != before


def test_one_archive_for_the_whole_service(tmp_path: Path) -> None:
    """`package.artifact` of the whole service and the artifact of a layer count too."""

    def edit(state: dict[str, Any], _template: dict[str, Any]) -> None:
        state["service"]["initialServerlessConfig"]["package"] = {"artifact": "out/all.zip"}
        state["service"]["layers"] = {"libs": {"package": {"artifact": "out/libs.zip"}}}

    seen = set()
    for all_, libs in (("one", "one"), ("two", "one"), ("two", "two")):
        write_zip(tmp_path / "out" / "all.zip", {"a.py": all_})
        write_zip(tmp_path / "out" / "libs.zip", {"l.py": libs})
        seen.add(packaged(tmp_path, edit).fingerprint())
    assert len(seen) == 3


def test_changed_configuration_changes_the_fingerprint(tmp_path: Path) -> None:
    """A changed value in the template changes the fingerprint."""
    assert packaged(tmp_path).fingerprint() != packaged(tmp_path, set_variable("X", "1")).fingerprint()


def test_another_build_of_the_same_code(tmp_path: Path) -> None:
    """The same files in an archive with other times, packaged at another time, have the same fingerprint."""
    write_zip(tmp_path / "out" / "front.zip", {"front.py": "one", "b.py": ""}, year=2020)
    before = packaged(tmp_path, time="1").fingerprint()
    write_zip(tmp_path / "out" / "front.zip", {"b.py": "", "front.py": "one"}, year=2024)
    assert packaged(tmp_path, time="2").fingerprint() == before


def test_packed_state(tmp_path: Path) -> None:
    """An artifact with the state of the local stack is refused."""
    write_zip(tmp_path / "package" / "press.zip", {".penstock/state.json": "{}"})
    with pytest.raises(LocalError, match=r"'!\.penstock/\*\*'"):
        packaged(tmp_path).fingerprint()


def test_not_an_archive(tmp_path: Path) -> None:
    """An artifact that is no zip archive is named."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "front.zip").write_text("not a zip")
    with pytest.raises(LocalError, match=r"out/front\.zip is not a zip archive: serverless\.yml names it"):
        packaged(tmp_path).fingerprint()


def test_a_resource_that_the_local_aws_does_not_have(tmp_path: Path) -> None:
    """The error has the file, the resource and its type, and another error of osls stays as it is."""

    def edit(_state: dict[str, Any], template: dict[str, Any]) -> None:
        template["Resources"]["Odd"] = {"Type": "AWS::Timestream::Database"}

    service = packaged(tmp_path, edit)
    output = "Error:\nTemplate format error: Unrecognized resource types: [AWS::Timestream::Database]"
    explanation = service.explain_unknown_types(output) or ""
    assert f"{tmp_path}/serverless.yml" in explanation
    assert "Odd (AWS::Timestream::Database)" in explanation
    assert service.explain_unknown_types("Error: another") is None


ARN = "arn:${AWS::Partition}:secretsmanager:${AWS::Region}:${AWS::AccountId}:secret:"


@pytest.mark.parametrize(
    ("value", "names", "logical_ids"),
    [
        (LOCAL_URL, set(), set()),
        ({"Ref": "Login"}, set(), {"Login"}),
        ({"Fn::GetAtt": ["Login", "Id"]}, set(), {"Login"}),
        ({"Fn::Sub": f"{ARN}press/db"}, {"press/db"}, set()),
        ({"Fn::Sub": [f"{ARN}press/db", {}]}, {"press/db"}, set()),
        (
            {
                "Fn::Join": [
                    ":",
                    ["arn:aws:secretsmanager", {"Ref": "AWS::Region"}, {"Ref": "AWS::AccountId"}, "secret", "db"],
                ]
            },
            {"db"},
            set(),
        ),
        ("arn:aws:secretsmanager:eu-west-1:000000000000:secret:db", {"db"}, set()),
        ("{{resolve:secretsmanager:db:SecretString}}", {"db"}, set()),
    ],
)
def test_database_secret(tmp_path: Path, value: Any, names: set[str], logical_ids: set[str]) -> None:
    """Each form in which a function can refer to the secret with the database's URL is understood."""
    found = DatabaseSecrets.of(packaged(tmp_path, set_variable("PENSTOCK_DATABASE_URL", value)), LOCAL_URL)
    assert found == DatabaseSecrets(frozenset(names), frozenset(logical_ids))


@pytest.mark.parametrize(
    ("value", "advice"),
    [
        ("postgresql://u:hidden@production/db", "${env:PENSTOCK_DATABASE_URL}"),
        ({"Fn::ImportValue": "hidden"}, "${env:PENSTOCK_DATABASE_URL}"),
        ({"Fn::Sub": f"{ARN}${{hidden}}"}, "${env:PENSTOCK_DATABASE_URL}"),
        ("arn:aws:secretsmanager:eu-west-1:123456789012:secret:hidden", "${aws:accountId}"),
    ],
)
def test_another_database(tmp_path: Path, value: Any, advice: str) -> None:
    """A function that would use another database is refused: file, variable, function, way out, and no value."""
    service = packaged(tmp_path, set_variable("PENSTOCK_DATABASE_READER_URL", value))
    with pytest.raises(LocalError) as refusal:
        DatabaseSecrets.of(service, LOCAL_URL)
    for part in ("serverless.yml", "PENSTOCK_DATABASE_READER_URL", "front", advice):
        assert part in str(refusal.value)
    assert "hidden" not in str(refusal.value)
