"""`penstock check`: the service's bindings, checked against the live database."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import typer

from penstock.cli.support.database import DatabaseOption, find_database, open_engine
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err, print_line
from penstock.cli.support.remote import RemoteFunction, RemoteOption
from penstock.cli.support.service import TargetArgument, import_drain
from penstock.consumer.schema_check.check import check_schema
from penstock.consumer.schema_check.finding import Finding, Severity
from penstock.functions.requests import CHECK

EPILOG = (
    "Examples: penstock check · penstock check --stage dev · penstock check --stage dev --remote · "
    "penstock check consumer.writes:drain --database-url postgresql://… --json. Exit codes: 0 no fault, 1 a fault "
    "was found, or the database cannot be reached, 2 wrong usage."
)

_OK = "ok"
_DATABASE = "database"


@on_stage
def check(
    *,
    target: TargetArgument = None,
    at: Target,
    database_url: DatabaseOption = None,
    remote: RemoteOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check the drain's bindings against the live database: tables, columns, keys, privileges, migrations.

    Prints a line for each kind without findings, and a line for each finding, with its remedy. Use the
    consumer's URL: privileges are checked for its role. The check writes nothing and waits for no lock. With
    --remote, the stage's function `migrate` checks the drain that is deployed.
    """
    kinds, findings = (
        _check_remotely(target, at, database_url) if remote else _check_here(target, at, database_url)
    )
    _print(kinds, findings, as_json=as_json)
    _summarize(findings)


def _check_here(target: str | None, at: Target, database_url: str | None) -> tuple[list[str], list[Finding]]:
    drain = import_drain(target)
    kinds = [bound.kind for bound in drain.bound()]
    if not kinds:
        raise Failure(f"the drain {target or 'of [tool.penstock]'} writes nothing: name the deployed one", USAGE)
    with open_engine(find_database(database_url, at)) as engine:
        return kinds, check_schema(engine, drain)


def _check_remotely(target: str | None, at: Target, database_url: str | None) -> tuple[list[str], list[Finding]]:
    if target is not None:
        raise Failure(f"{target} does not go with --remote, which checks the drain that is deployed", USAGE)
    answer = RemoteFunction.find(at, database_url=database_url).run(CHECK)
    findings = [Finding(**one | {"severity": Severity(one["severity"])}) for one in answer["findings"]]
    return answer["kinds"], findings


def _print(kinds: Sequence[str], findings: Sequence[Finding], *, as_json: bool) -> None:
    """Print a line for each finding, and one for each part without findings; the database comes first."""
    for kind in (None, *kinds):
        found = [finding for finding in findings if finding.kind == kind]
        if not found:
            ok = {"verdict": _OK, "kind": kind}
            print_line(ok if as_json else [_OK, kind or _DATABASE], as_json=as_json)
        for finding in found:
            row = asdict(finding)
            verdict = str(row.pop("severity"))
            line = [verdict, kind or _DATABASE, finding]
            print_line({"verdict": verdict} | row if as_json else line, as_json=as_json)


def _summarize(findings: Sequence[Finding]) -> None:
    """Print the counts on stderr.

    Raises:
        typer.Exit: there is a fault.
    """
    counts = Counter(finding.severity for finding in findings)
    parts = [f"{counts[one]} {one}{'s' * (counts[one] > 1)}" for one in Severity if counts[one]]
    echo_err(", ".join(parts) or "no findings")
    if counts[Severity.FAULT]:
        raise typer.Exit(FAILED)
