"""Why something failed, split by what the drain must do about it.

    Fault
    ├── DataFault           this intent can never be written: dead-letter it at once
    │   └── NotYetFault     ... unless something else arrives first: hand it back a few times before that
    ├── EnvironmentFault    the database or the network is unwell: hand everything back, lose nothing
    │   ├── ConflictFault   another transaction was in the way: repeat this one first
    │   └── PayloadFault    the bucket of large intents cannot be read: hand back this intent alone
    └── DeploymentFault     code, schema and permissions disagree: hand back all of its kind, and log an error
        └── TableFault      the live table compares or changes values otherwise than it is declared

A fault carries no value of the intent that caused it: its text is safe for logs and message attributes.
"""

from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of a fault, in names and codes, never in values.

    Attributes:
        reason: a stable word for the cause: `not-json`, `unknown-kind`, or Postgres's condition name such as
            `CheckViolation` (PostgreSQL documentation, appendix A).
        sqlstate: Postgres's error code of five characters, if Postgres found the fault.
        constraint: the violated constraint.
        table: the table of that constraint.
        column: the column, if Postgres names one.
        fields: the wrong fields of the envelope: the dotted path of each, with Pydantic's error type.
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
    """Why something failed; `cause` has the details."""

    def __init__(self, cause: Cause | str) -> None:
        self.cause = Cause(cause) if isinstance(cause, str) else cause
        super().__init__(str(self.cause))

    def record(self) -> dict[str, Any]:
        """Return the fault as it is stored in the ledger: its class, its cause, and one line of text."""
        cause = {name: value for name, value in asdict(self.cause).items() if value}
        return {"fault": type(self).__name__, "detail": str(self), **cause}


class DataFault(Fault):
    """This intent can never be written as it is."""


class NotYetFault(DataFault):
    """This intent can be written only after its kind is deployed, or after its parent exists."""


class EnvironmentFault(Fault):
    """The database or the network is unwell."""


class ConflictFault(EnvironmentFault):
    """Another transaction was in the way."""


class PayloadFault(EnvironmentFault):
    """A large intent could not be read, or its batch had no room for it. The database is not at fault."""


class DeploymentFault(Fault):
    """Code, schema and permissions disagree."""


class TableFault(DeploymentFault):
    """The live table compares or changes values otherwise than it is declared: nothing of the kind is written."""
