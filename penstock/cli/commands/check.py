"""`penstock check`: the service's bindings, held against the live database."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict

import typer

from penstock.cli.support.database import DatabaseOption, connecting, find_database
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import print_line
from penstock.cli.support.service import DRAIN, TargetArgument, import_drain
from penstock.consumer import Drain
from penstock.consumer.schema_check.check import check_schema
from penstock.consumer.schema_check.finding import Finding, Severity

EPILOG = (
    "Examples: penstock check · penstock check --stage dev · penstock check consumer.writes:drain "
    "--database-url postgresql://… --json. Exit codes: 0 all agrees, 1 a fault was found, or the database cannot "
    "be asked, 2 usage."
)

_OK = "ok"
_DATABASE = "database"


@on_stage
def check(
    *,
    target: TargetArgument = DRAIN,
    at: Target,
    database_url: DatabaseOption = None,
    as_json: JsonOption = False,
) -> None:
    """Hold what the drain writes against the live database: tables, columns, keys, privileges, migrations.

    Prints a line per kind that agrees, and per thing that does not, with the way out. Give it the URL that the
    consumer has: privileges are those of its role. Nothing is written and nothing is locked.
    """
    drain = import_drain(target)
    kinds = _kinds(target, drain)
    url = find_database(database_url, at)
    with connecting(url) as engine:
        findings = check_schema(engine, drain)
    _print(kinds, findings, as_json=as_json)
    _tell(findings)


def _kinds(target: str, drain: Drain) -> list[str]:
    """Return the kinds that a drain writes.

    Raises:
        Failure: there are none.
    """
    kinds = [bound.kind for bound in drain.bound()]
    if not kinds:
        raise Failure(f"{target} writes nothing: is it the right drain?", USAGE)
    return kinds


def _print(kinds: Sequence[str], findings: Sequence[Finding], *, as_json: bool) -> None:
    """Write a line for each finding, and one for what there is no finding of; the database comes first."""
    for kind in (None, *kinds):
        about = [finding for finding in findings if finding.kind == kind]
        if not about:
            ok = {"verdict": _OK, "kind": kind}
            print_line(ok if as_json else [_OK, kind or _DATABASE], as_json=as_json)
        for finding in about:
            known = asdict(finding)
            verdict = {"verdict": str(known.pop("severity"))}
            line = [verdict["verdict"], kind or _DATABASE, finding]
            print_line(verdict | known if as_json else line, as_json=as_json)


def _tell(findings: Sequence[Finding]) -> None:
    """Sum up on stderr.

    Raises:
        typer.Exit: there is a fault.
    """
    counts = Counter(finding.severity for finding in findings)
    parts = [f"{counts[one]} {one}{'s' * (counts[one] > 1)}" for one in Severity if counts[one]]
    typer.echo(", ".join(parts) or "all agrees", err=True)
    if counts[Severity.FAULT]:
        raise typer.Exit(FAILED)
