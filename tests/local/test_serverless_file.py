"""serverless.yml as it is written: which files osls would pack."""

from pathlib import Path

import pytest

from penstock.local.errors import LocalError
from penstock.local.serverless_file import check_packing
from penstock.project.errors import ProjectError

FUNCTION = "functions: {a: {handler: a.b, environment: {X: !Ref Queue, Y: !Sub '${AWS::Region}'}}}\n"
OWN_ZIP = "functions: {a: {handler: a.b, package: {artifact: a.zip}}}\n"


@pytest.mark.parametrize(
    "text",
    [
        FUNCTION,
        FUNCTION + "package: {patterns: [src/**]}",
        FUNCTION + "package: {patterns: ['!.penstock/**', '**']}",
        FUNCTION + "package: {artifact: all.zip, individually: true}",
        FUNCTION.replace("{a:", "[{a:").replace("}}}", "}}}]"),
        "functions: {a: {handler: a.b, package: {individually: true, patterns: ['!b/**']}}}",
        "functions: {a: {handler: a.b, package: {artifact: a.zip}}, b: {handler: a.b}}",
    ],
)
def test_state_would_be_packed(tmp_path: Path, text: str) -> None:
    """An artifact that would get the local database is refused with the file, the property and the way out."""
    (tmp_path / "serverless.yml").write_text(text)
    with pytest.raises(LocalError) as refusal:
        check_packing(tmp_path)
    for part in (f"{tmp_path}/serverless.yml", "package.patterns", "'!.penstock/**'"):
        assert part in str(refusal.value)


@pytest.mark.parametrize(
    "text",
    [
        OWN_ZIP,
        FUNCTION + "package: {artifact: all.zip}",
        FUNCTION + "package: {patterns: ['!.penstock/**']}",
        FUNCTION + "package: {patterns: ['!./.penstock/**']}",
        FUNCTION + "package: {patterns: ['!.*/**']}",
        FUNCTION + "package: {patterns: ['!**', 'src/**']}",
        "functions: {a: {image: 'x/y:1'}}",
        "functions: {a: {handler: a.b, package: {individually: true, patterns: ['!**', 'a/**']}}}",
        "functions: ${file(functions.yml)}",
        "functions: {a: '${file(a.yml)}'}",
        "service: only-resources",
        "",
    ],
)
def test_state_is_not_packed(tmp_path: Path, text: str) -> None:
    """A file that keeps the state out of the artifacts passes, and so does one that only osls can resolve."""
    (tmp_path / "serverless.yml").write_text(text)
    check_packing(tmp_path)


def test_not_yaml(tmp_path: Path) -> None:
    """A file that is not YAML is an error with its path and the place of the mistake."""
    (tmp_path / "serverless.yml").write_text("service: shop\nfunctions: [")
    with pytest.raises(ProjectError, match=r"serverless\.yml is not YAML.*line 2"):
        check_packing(tmp_path)
