"""Why something failed, split by what the drain must do about it.

    Fault
    ├── DataFault           this intent can never be written: dead-letter it at once
    │   ├── UndecidedFault  ... or nothing was decided before the queue would drop its message
    │   └── NotYetFault     ... unless something else arrives first: hand it back a few times before that
    │       └── SharedFault many have it and none is written: the deployment may be at fault
    ├── EnvironmentFault    the database or the network is unwell: hand everything back, lose nothing
    │   ├── ConflictFault   another transaction was in the way: repeat this one first
    │   ├── KeyFault        the key of an encrypted field cannot be had: hand back this intent alone
    │   └── PayloadFault    the bucket of large intents cannot be read: hand back this intent alone
    └── DeploymentFault     code, schema and permissions disagree: hand back all of its kind, and log an error
        ├── SchemaFault     a row was refused for something that its intent does not carry: hand back this one
        └── TableFault      the live table compares or changes values otherwise than it is declared

A fault carries no value of the intent that caused it: its text is safe for logs and message attributes.
"""

import re
from dataclasses import asdict, dataclass, field, replace
from dataclasses import fields as dataclass_fields
from typing import Any


@dataclass(frozen=True, slots=True)
class Cause:
    """The cause of a fault, in names and codes, never in values.

    Attributes:
        reason: a stable word for the cause: `not-json`, `unknown-kind`, or Postgres's condition name such as
            `CheckViolation` (PostgreSQL documentation, appendix A).
        sqlstate: Postgres's error code of five characters, if Postgres found the fault.
        constraint: the violated constraint.
        table: the table of that constraint; or, if the kind has several writes, the table that was written.
        column: the column, if Postgres names one.
        fields: the wrong fields of the envelope: the dotted path of each, with Pydantic's error type.
        last: the class and the reason of the last fault, if nothing was decided in time.
        frames: where unexpected code raised the error, for the log alone; see `penstock.diagnosis.frames_of`.
    """

    reason: str
    sqlstate: str | None = None
    constraint: str | None = None
    table: str | None = None
    column: str | None = None
    fields: tuple[str, ...] = ()
    last: str | None = None
    frames: tuple[str, ...] = field(default=(), compare=False, repr=False)

    def __str__(self) -> str:
        named = {
            "sqlstate": self.sqlstate,
            "constraint": self.constraint,
            "table": self.table,
            "column": self.column,
            "last": self.last,
        }
        parts = [f"{name} {value}" for name, value in named.items() if value]
        parts += [", ".join(self.fields)] if self.fields else []
        return f"{self.reason}: {', '.join(parts)}" if parts else self.reason


_UNSTORABLE = re.compile("[^\\t\\n\\r\\x20-\\ud7ff\\ue000-\\ufffd\\U00010000-\\U0010ffff]")
"""What SQS or Postgres refuses: control characters, lone surrogates, U+FFFE and U+FFFF."""

_LONGEST = 2000
_LISTS = ("fields", "frames")


def storable(given: Any) -> Cause:
    """Return a cause that the ledger and a message can hold, whatever the service gave."""
    if not isinstance(given, Cause):
        return Cause(_text(given))
    names = [f.name for f in dataclass_fields(given)]
    one = {name: getattr(given, name) for name in names if name not in _LISTS}
    texts = {name: None if value is None else _text(value) for name, value in one.items()}
    lists = {name: _texts(getattr(given, name)) for name in _LISTS}
    return replace(given, **texts, **lists)  # type: ignore[arg-type]


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(map(_text, value if isinstance(value, tuple | list) else (value,)))


def _text(value: Any) -> str:
    return _UNSTORABLE.sub("\ufffd", str(value))[:_LONGEST]


class Fault(Exception):
    """Why something failed; `cause` has the details."""

    cause = Cause("unspecified")
    """What a subclass has that does not call `__init__`."""

    def __init__(self, cause: Cause | str) -> None:
        self.cause = storable(cause)
        super().__init__(str(self.cause))

    def record(self) -> dict[str, Any]:
        """Return the fault as it is stored in the ledger: its class, its cause, and one line of text."""
        # Not the text of the exception: a subclass of the service's may have another.
        cause = storable(self.cause)
        named = {name: value for name, value in asdict(cause).items() if value and name != "frames"}
        return {"fault": type(self).__name__, "detail": str(cause), **named}


class DataFault(Fault):
    """This intent can never be written as it is."""


class UndecidedFault(DataFault):
    """This intent would go back to the queue, which would drop it before long."""

    def __init__(self, last: Fault) -> None:
        """Keep the last fault."""
        named = f"{type(last).__name__} {last.cause.reason}"
        super().__init__(replace(last.cause, reason="undecided", last=named))


class NotYetFault(DataFault):
    """This intent can be written only after its kind is deployed, or after its parent exists."""


class SharedFault(NotYetFault):
    """Many intents fail for one cause and none is written: either all of them are wrong, or the deployment is."""


class EnvironmentFault(Fault):
    """The database or the network is unwell."""


class ConflictFault(EnvironmentFault):
    """Another transaction was in the way."""


class KeyFault(EnvironmentFault):
    """The key of a `Sensitive` field could not be had. The database is not at fault."""


class PayloadFault(EnvironmentFault):
    """A large intent could not be read, or its batch had no room for it or for a pack. The database is well."""


class DeploymentFault(Fault):
    """Code, schema and permissions disagree."""


class SchemaFault(DeploymentFault):
    """A row was refused for something that its intent does not carry."""


class TableFault(DeploymentFault):
    """The live table compares or changes values otherwise than it is declared."""
