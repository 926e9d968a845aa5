"""`penstock infra`: Penstock's part of a service's infrastructure, written, checked and exported."""

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml

from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.output import echo_err, print_line
from penstock.cli.support.project import Project
from penstock.cli.support.service import find_config
from penstock.consumer.schema_check.finding import Severity
from penstock.doctor.examine import NUMBERS, examine
from penstock.doctor.load import TemplateError as UnreadableTemplate
from penstock.doctor.load import load_template
from penstock.doctor.stack import Stack
from penstock.infra.include_file import NAME, include_file
from penstock.infra.service_file import check_same_service, check_service_file, included_parts, plain_values
from penstock.infra.template import AUTHORIZERS, PARTS, TemplateError, cloudformation_template
from penstock.infra.variables import parameter_name
from penstock.project import serverless
from penstock.project.config import CONVENTIONAL_MIGRATIONS

app = typer.Typer(
    epilog="Examples: penstock infra · penstock infra --check · penstock infra export > penstock.yml. "
    "Exit codes: 0 done, 1 the check found something, 2 wrong usage.",
)

# Folders do not matter to a template that is only checked.
_ARTIFACTS = "build"


@app.callback(invoke_without_command=True)
def infra(
    context: typer.Context,
    *,
    check: Annotated[
        bool,
        typer.Option("--check", help="Write nothing: compare the file, and check the numbers of the service."),
    ] = False,
    template: Annotated[
        Path | None,
        typer.Option(
            "--template",
            metavar="FILE",
            help="With --check, the packaged template with the numbers, e.g. .serverless/"
            "cloudformation-template-update-stack.json. By default they are read in serverless.yml.",
        ),
    ] = None,
) -> None:
    """Write infra/penstock.yml of this version of Penstock, which serverless.yml includes.

    With --check, says whether the file is that of this version, whether serverless.yml includes the parts and has
    only keys that exist, and whether its numbers fit together: concurrency and pool size with the budget, timeouts
    with the queue's visibility timeout, retention with the expiry of payloads.
    """
    if context.invoked_subcommand is not None:
        return
    if template is not None and not check:
        raise Failure("--template goes with --check only", USAGE)
    folder = Project.find(Path.cwd()).folder
    if check:
        _check(folder, template)
    else:
        _write(folder / NAME)


@app.command(
    "export",
    epilog="Examples: penstock infra export > penstock.yml · "
    "penstock infra export --artifacts build/prod --part vpc --part endpoints --json · "
    "penstock infra export --set DrainConcurrency=10 --set Budget=19",
)
def export(
    *,
    artifacts: Annotated[
        str,
        typer.Option(
            "--artifacts",
            metavar="FOLDER",
            help="The folder of consumer.zip and migrate.zip, relative to the template.",
        ),
    ] = "build/dev",
    authorizer: Annotated[
        str, typer.Option("--authorizer", help=f"Who may call the API: {' or '.join(AUTHORIZERS)}.")
    ] = AUTHORIZERS[0],
    part: Annotated[
        list[str] | None,
        typer.Option("--part", help=f"An optional part, repeatable: {', '.join(PARTS)}."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PARAMETER=VALUE", help="Another default of a parameter, repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of YAML.")] = False,
) -> None:
    """Print a plain CloudFormation template of everything, for other tools than the Serverless Framework.

    Its parameters are the keys of `custom.penstock`. `aws cloudformation package` or `sam package` uploads the
    artifacts that it names. The numbers are checked as with `penstock infra --check`.
    """
    try:
        made = cloudformation_template(
            artifacts=artifacts,
            authorizer=authorizer,
            parts=part or (),
            defaults=dict(map(_assignment, set_ or [])),
        )
    except TemplateError as error:
        raise Failure(str(error), USAGE) from error
    if wrong := _check_numbers(made):
        raise Failure("\n".join(wrong))
    text = json.dumps(made, indent=2) if as_json else yaml.dump(made, Dumper=_Dumper, sort_keys=False, width=110)
    sys.stdout.write(f"{text.rstrip()}\n")


def _write(file: Path) -> None:
    text = include_file()
    changed = not file.exists() or file.read_text(encoding="utf-8") != text
    if changed:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    echo_err(f"{NAME}: {'written' if changed else 'current'}")


def _check(folder: Path, template: Path | None) -> None:
    """Print what is wrong, one line each.

    Raises:
        typer.Exit: something is.
    """
    content = _service(folder)
    found = [*_outdated(folder / NAME), *check_service_file(content), *_check_project(content)]
    found += _check_numbers(_load(template)) if template else _check_plain_numbers(content)
    for one in found:
        print_line([one], as_json=False)
    if found:
        raise typer.Exit(FAILED)
    echo_err("no findings")


def _check_project(content: Mapping[str, Any]) -> list[str]:
    """Check that serverless.yml and pyproject.toml name the same drain and the same migrations."""
    config = find_config()
    migrations = config.migrations or CONVENTIONAL_MIGRATIONS
    return check_same_service(content, drain=config.drain, migrations=migrations)


def _outdated(file: Path) -> list[str]:
    if file.exists() and file.read_text(encoding="utf-8") == include_file():
        return []
    state = "is not that of this version of Penstock, or was edited" if file.exists() else "is missing"
    return [f"{NAME} {state}: run `penstock infra`"]


def _check_plain_numbers(content: Mapping[str, Any]) -> list[str]:
    """Check the numbers that are written in serverless.yml; a variable there counts as its key's default."""
    parts = included_parts(content)
    parameters = cloudformation_template(artifacts=_ARTIFACTS, parts=parts)["Parameters"]
    values, unresolved = plain_values(content)
    if numbers := [key for key in unresolved if parameters.get(parameter_name(key), {}).get("Type") == "Number"]:
        echo_err(
            f"only osls resolves {', '.join(f'custom.penstock.{key}' for key in numbers)}: to check these too, "
            "run `osls package`, and give --template .serverless/cloudformation-template-update-stack.json"
        )
    known = {name: value for name, value in values.items() if name in parameters}
    return _check_numbers(cloudformation_template(artifacts=_ARTIFACTS, parts=parts, defaults=known))


def _check_numbers(template: Mapping[str, Any]) -> list[str]:
    """Return which numbers of a template do not fit together; what only a deployment knows is said on stderr."""
    found = examine(Stack(template), NUMBERS)
    for one in found:
        if one.severity is Severity.NOTE:
            echo_err(str(one))
    return [str(one) for one in found if one.severity is not Severity.NOTE]


def _service(folder: Path) -> Mapping[str, Any]:
    file = folder / serverless.NAME
    if not file.is_file():
        raise Failure(f"there is no {serverless.NAME} in this folder or above", USAGE)
    content: Any = serverless.load(file)
    return content if isinstance(content, Mapping) else {}


def _load(template: Path) -> Mapping[str, Any]:
    try:
        return load_template(template)
    except UnreadableTemplate as error:
        raise Failure(str(error), USAGE) from None


def _assignment(text: str) -> tuple[str, str | int | float]:
    name, equals, value = text.partition("=")
    if not equals:
        raise Failure(f"{text!r} is not of the form PARAMETER=VALUE, such as DrainConcurrency=10", USAGE)
    number = value.replace(".", "", 1).isdigit()
    return name, (float(value) if "." in value else int(value)) if number else value


class _Dumper(yaml.SafeDumper):
    """Writes what occurs twice twice: CloudFormation reads no aliases in some tools."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True
