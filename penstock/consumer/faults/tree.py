"""Why something failed, split by what the drain must do about it.

    Fault
    ├── DataFault           this intent can never land: dead-letter it at once
    │   └── NotYetFault     ... unless something else arrives first: hand it back a few times before that
    ├── EnvironmentFault    the database or the network is unwell: hand everything back, lose nothing
    │   ├── ConflictFault   another transaction was in the way: try this one again here first
    │   └── PayloadFault    where a large intent rests is out of reach: hand this one back, alone
    └── DeploymentFault     code, schema and permissions disagree: hand back all of its kind, say so loudly

A fault carries no value of the intent that caused it: its text is safe for logs and message attributes.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """What a fault points at, in names and codes, never in values.

    Attributes:
        reason: a stable word for the cause: `not-json`, `unknown-kind`, or Postgres's condition name such as
            `CheckViolation` (PostgreSQL documentation, appendix A).
        sqlstate: Postgres's five characters, where Postgres found it.
        constraint: the violated constraint.
        table: the table that it is on.
        column: the column, where Postgres names one.
        fields: the fields of the envelope that are wrong, as dotted paths with the validator's word for each.
    """

    reason: str
    sqlstate: str | None = None
    constraint: str | None = None
    table: str | None = None
    column: str | None = None
    fields: tuple[str, ...] = ()

    def __str__(self) -> str:
        named = {
            "sqlstate": self.sqlstate,
            "constraint": self.constraint,
            "table": self.table,
            "column": self.column,
        }
        parts = [f"{name} {value}" for name, value in named.items() if value]
        parts += [", ".join(self.fields)] if self.fields else []
        return f"{self.reason}: {', '.join(parts)}" if parts else self.reason


class Fault(Exception):
    """Something failed; `cause` says what."""

    def __init__(self, cause: Cause | str) -> None:
        self.cause = Cause(cause) if isinstance(cause, str) else cause
        super().__init__(str(self.cause))

    def record(self) -> dict[str, Any]:
        """Return the fault as the ledger keeps it: its class, its cause, one line."""
        cause = {name: value for name, value in asdict(self.cause).items() if value}
        return {"fault": type(self).__name__, "detail": str(self), **cause}


class DataFault(Fault):
    """This intent can never land as it is."""


class NotYetFault(DataFault):
    """This intent cannot land before something else has happened: its kind is deployed, its parent exists."""


class EnvironmentFault(Fault):
    """The database or the network is unwell."""


class ConflictFault(EnvironmentFault):
    """Another transaction was in the way."""


class PayloadFault(EnvironmentFault):
    """Where a large intent rests is out of reach, or there was no room for it yet; the database is not meant."""


class DeploymentFault(Fault):
    """Code, schema and permissions disagree."""
