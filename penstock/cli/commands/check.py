"""`penstock check`: the service's bindings, checked against the live database."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict

import typer

from penstock.cli.support.column import Column, Row
from penstock.cli.support.database import DatabaseOption, find_database, open_engine
from penstock.cli.support.errors import FAILED, USAGE, Failure
from penstock.cli.support.listing import print_rows
from penstock.cli.support.options import JsonOption, Target, on_stage
from penstock.cli.support.output import echo_err
from penstock.cli.support.remote import RemoteFunction, RemoteOption
from penstock.cli.support.service import TargetArgument, import_drain
from penstock.cli.support.severity import SEVERITIES
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
    print_rows(_rows(kinds, findings), _COLUMNS, as_json=as_json)
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


def _rows(kinds: Sequence[str], findings: Sequence[Finding]) -> Iterator[Row]:
    """Yield a row for each finding, and one for each part without findings; the database comes first."""
    for kind in (None, *kinds):
        found = [finding for finding in findings if finding.kind == kind]
        if not found:
            yield {"verdict": _OK, "kind": kind}
        for finding in found:
            row = asdict(finding)
            yield {"verdict": str(row.pop("severity"))} | row


def _problem(row: Row) -> str | None:
    """Return what is wrong, and where."""
    places = [f"{word} {row[word]!r}" for word in ("field", "column", "table") if row.get(word) is not None]
    return ": ".join(filter(None, (", ".join(places), row.get("problem")))) or None


_COLUMNS = (
    Column(name="verdict", bare=True, styles=SEVERITIES),
    Column(name="kind", bare=True, of=lambda row: row["kind"] or _DATABASE),
    Column(name="problem", bare=True, below=True, of=_problem),
    Column(name="hint", title="do", below=True, of=lambda row: row.get("hint")),
)


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
