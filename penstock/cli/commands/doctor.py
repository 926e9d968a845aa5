"""`penstock doctor`: a template or a deployed stack, and its database, held against the rules of Penstock."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from botocore.exceptions import BotoCoreError, ClientError

from penstock.cli.support.column import Column, Row
from penstock.cli.support.database import DatabaseOption, find_database, open_engine
from penstock.cli.support.errors import FOUND, USAGE, Failure
from penstock.cli.support.listing import print_rows
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.project import Project
from penstock.cli.support.severity import SEVERITIES
from penstock.consumer.schema_check.finding import Severity
from penstock.doctor.budget import PEOPLE, Budget, NoBound, budget_of
from penstock.doctor.examine import examine, in_order
from penstock.doctor.files import read_stack
from penstock.doctor.finding import Finding, NotKnown
from penstock.doctor.live import read_live_stack
from penstock.doctor.live_database import examine_database
from penstock.doctor.load import TemplateError
from penstock.doctor.rules.database import unreachable
from penstock.doctor.service import Service
from penstock.doctor.stack import Stack

EPILOG = (
    "Examples: penstock doctor · penstock doctor --template cdk.out/Shop.template.json · "
    "penstock doctor --stage dev · penstock doctor --stage dev --database-url postgresql://… --json. Exit codes: "
    "0 no fault and no warning, 1 it could not look, 2 wrong usage, 10 a fault or a warning was found."
)
_COLUMNS = (
    Column(name="verdict", bare=True, styles=SEVERITIES),
    Column(name="rule", bare=True),
    Column(name="resource", bare=True),
    Column(name="problem", bare=True, below=True),
    Column(name="why", below=True, shown=lambda row: f"{row['why']} ({row['source']})"),
    Column(name="source", shown=lambda _: None),
    Column(name="hint", title="do", below=True),
)
PACKAGED = Path(".serverless/cloudformation-template-update-stack.json")

_DATABASE_VARIABLE = "PENSTOCK_DATABASE_URL"


@on_stage
def doctor(
    *,
    template: Annotated[
        Path | None,
        typer.Option(
            "--template",
            metavar="FILE",
            help="A packaged template of osls, AWS SAM or the CDK, in JSON or YAML. By default that of "
            f"`osls package`, {PACKAGED}, if no --stage is given.",
        ),
    ] = None,
    at: Target,
    database_url: DatabaseOption = None,
    people: Annotated[
        int, typer.Option("--people", min=0, help="The connections that are kept for people: psql, a dashboard.")
    ] = PEOPLE,
    as_json: JsonOption = False,
) -> None:
    """Examine a packaged template, or a deployed stack, and its database: what is wrong, why, and the way out.

    Without --stage it reads a template, and needs no AWS account. With --stage it reads the template of the
    deployed stack and the live settings of its queues, functions and mappings. The database is examined if
    --database-url or PENSTOCK_DATABASE_URL names it; with --stage, the stage's own is. Nothing is changed. What
    could not be seen is a note: `not checked`.
    """
    if template is not None and at.stage is not None:
        raise Failure("--template does not go with --stage, which reads the template that is deployed", USAGE)
    stack = _deployed(at) if at.stage is not None else _packaged(template)
    found = _examine(stack, people)
    budget = _budget(stack)
    found += _database(database_url, at, budget, people)
    print_rows(map(_row, in_order(found)), _COLUMNS, as_json=as_json)
    _summarize(found)


def _packaged(template: Path | None) -> Stack:
    file = template or Project.find(Path.cwd()).folder / PACKAGED
    try:
        return read_stack(file)
    except TemplateError as error:
        raise Failure(str(error), USAGE) from None


def _deployed(at: Target) -> Stack:
    stage = at.open()
    stage.outputs()  # Says what to do if there is no such stack.
    try:
        return read_live_stack(stage.stack, stage.client, emulated=stage.recorded is not None)
    except TemplateError as error:
        raise Failure(f"the template of {stage.stack} {error}") from None


def _examine(stack: Stack, people: int) -> list[Finding]:
    try:
        return examine(stack, people=people)
    except TemplateError as error:
        raise Failure(str(error)) from None


def _budget(stack: Stack) -> Budget | None:
    """Print the budget on stderr, and return it; None if it is not known, or if no function has a database."""
    try:
        budget = budget_of(Service(stack))
    except (NoBound, NotKnown):
        return None
    echo_err(str(budget))
    return budget if budget.shares else None


def _database(given: str | None, at: Target, budget: Budget | None, people: int) -> list[Finding]:
    """Examine the database. One that only the stage names may be out of reach from here: that is a note."""
    named = bool(given or os.environ.get(_DATABASE_VARIABLE, "").strip())
    if not (named or at.stage):
        return [unreachable("give --database-url to examine it too")]
    try:
        with open_engine(find_database(given, at)) as engine:
            return examine_database(engine, budget, people)
    except (Failure, BotoCoreError, ClientError) as error:
        if named:
            raise
        return [unreachable(str(error).splitlines()[0])]


def _row(finding: Finding) -> Row:
    row = asdict(finding)
    return {"verdict": str(row.pop("severity"))} | row


def _summarize(found: Sequence[Finding]) -> None:
    """Print the counts on stderr.

    Raises:
        typer.Exit: there is a fault or a warning.
    """
    counts = Counter(finding.severity for finding in found)
    parts = [f"{counts[one]} {one}{'s' * (counts[one] > 1)}" for one in Severity if counts[one]]
    echo_err(", ".join(parts) or "no findings")
    if counts[Severity.FAULT] or counts[Severity.WARNING]:
        raise typer.Exit(FOUND)
