"""Map database errors to faults by their SQLSTATE (PostgreSQL documentation, appendix A).

An error that is not known to be the fault of the data never becomes a data fault.
"""

import psycopg
from psycopg import errors
from pydantic_core import PydanticSerializationError
from sqlalchemy.exc import DBAPIError

from penstock.consumer.faults.tree import (
    Cause,
    ConflictFault,
    DataFault,
    DeploymentFault,
    EnvironmentFault,
    Fault,
    NotYetFault,
    SchemaFault,
    TableFault,
)
from penstock.database.connect_errors import is_refused_for_good, password_was_refused
from penstock.diagnosis import frames_of

_BY_STATE: dict[str, type[Fault]] = {
    "40001": ConflictFault,  # serialization failure
    "40P01": ConflictFault,  # deadlock detected
    "55P03": ConflictFault,  # lock not available
    "23503": NotYetFault,  # foreign key: the parent may come later
    "25006": EnvironmentFault,  # read-only transaction: a failover
    "25P03": EnvironmentFault,  # idle in transaction for too long
    "25P04": EnvironmentFault,  # the transaction took too long
    "2200H": DeploymentFault,  # a sequence has reached its limit
    "40003": EnvironmentFault,  # completion unknown: the ledger makes a retry safe
    "57014": EnvironmentFault,  # cancelled by a timeout or by a person
    "57P01": EnvironmentFault,  # the server is being shut down
    "57P02": EnvironmentFault,  # ... has crashed
    "57P03": EnvironmentFault,  # ... is starting
    "57P04": EnvironmentFault,  # ... this database is being dropped
    "57P05": EnvironmentFault,  # idle session timeout
}

_BY_CLASS: dict[str, type[Fault]] = {
    "08": EnvironmentFault,  # connection
    "22": DataFault,  # data exceptions
    "23": DataFault,  # integrity constraints
    "44": DataFault,  # WITH CHECK OPTION
    "54": DataFault,  # a limit of Postgres, such as a text too long for its index
    "P0": DataFault,  # a trigger's or a function's RAISE, ASSERT or SELECT INTO STRICT
    "53": EnvironmentFault,  # out of connections, memory, disk
    "58": EnvironmentFault,  # system errors
    "XX": EnvironmentFault,  # internal errors
}


def fault_of(error: Exception) -> Fault:
    """Map an error to a fault. The fault holds names and codes of the error, and no values.

    Args:
        error: a fault, which is returned as it is; an error of SQLAlchemy, which usually wraps one of psycopg; an
            error of psycopg; or an error of Pydantic about a value that cannot be serialized.
    """
    if isinstance(error, Fault):
        return _usable(error)
    if isinstance(error, PydanticSerializationError):
        return DataFault(Cause(type(error).__name__))
    cause = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(cause, psycopg.Error):
        # The pool timed out, or the code uses SQLAlchemy wrongly.
        return (EnvironmentFault if "TimeoutError" in type(error).__name__ else DeploymentFault)(
            Cause(type(error).__name__, frames=frames_of(cause or error))
        )
    if cause.sqlstate is None and password_was_refused(cause):
        return DeploymentFault("AuthenticationFailed")
    if cause.sqlstate is None:
        return _without_sqlstate(cause)(type(cause).__name__)
    return (SchemaFault if _has_no_partition(cause) else _class_of(cause.sqlstate))(
        _cause_of(cause, cause.sqlstate)
    )


def connection_was_lost(error: Exception) -> bool:
    """Return whether an established connection was lost."""
    if isinstance(error, DBAPIError):
        return error.connection_invalidated
    if not isinstance(error, psycopg.OperationalError):
        return False
    return error.sqlstate is None or error.sqlstate[:3] == "57P" or error.sqlstate[:2] == "08"


def is_outage(fault: Fault) -> bool:
    """Return whether the database or the way to it is unwell: a smaller set would fare no better."""
    sqlstate = fault.cause.sqlstate
    return isinstance(fault, EnvironmentFault) and (sqlstate is None or not sqlstate.startswith(_CAUSED_BY_ROWS))


def timed_out(fault: Fault) -> bool:
    """Return whether a statement was cancelled because it took too long."""
    return fault.cause.sqlstate == _CANCELLED


def may_be_data(fault: Fault) -> bool:
    """Return whether a single row can cause a fault that is not a data fault by its code."""
    sqlstate = fault.cause.sqlstate or ""
    return (
        not isinstance(fault, DataFault | SchemaFault | TableFault)
        and not is_outage(fault)
        and not sqlstate.startswith(_NEVER_DATA)
    )


_CANCELLED = "57014"
_CHECK_VIOLATION = "23514"
_CAUSED_BY_ROWS = (_CANCELLED, "58", "XX")
"""Environment faults that a single row can cause: a slow trigger, a function of an extension, a damaged page."""
_NEVER_DATA = ("2200H", "58", "XX001", "XX002")
"""An exhausted sequence, the operating system, a damaged table or index: other rows may land, and yet no row is to
blame."""


def _usable(fault: Fault) -> Fault:
    """Return a fault as it is, unless a subclass of the service's has made its cause unusable."""
    try:
        hash(fault.cause)
        if isinstance(fault.cause, Cause) and isinstance(str(fault.cause), str):
            return fault
    except Exception:  # noqa: BLE001, S110 (the service's code may raise anything)
        pass
    own = next(kind for kind in type(fault).__mro__ if kind.__module__ == Fault.__module__)
    usable: Fault = Exception.__new__(own)
    usable.cause = Cause(type(fault).__name__)
    return usable


def _has_no_partition(error: psycopg.Error) -> bool:
    """Return whether a partition is missing. A check that a trigger raises has no constraint either."""
    names = error.diag.constraint_name, error.diag.source_function
    return error.sqlstate == _CHECK_VIOLATION and not names[0] and names[1] == "ExecFindPartition"


def _without_sqlstate(error: psycopg.Error) -> type[Fault]:
    """Map an error that psycopg itself raised, or that refused a connection."""
    if isinstance(error, psycopg.DataError):
        return DataFault  # U+0000 in a text, a number out of range
    misused = isinstance(error, psycopg.ProgrammingError | psycopg.NotSupportedError)
    return DeploymentFault if is_refused_for_good(error) or misused else EnvironmentFault


def _class_of(sqlstate: str) -> type[Fault]:
    known = _BY_STATE.get(sqlstate) or _BY_CLASS.get(sqlstate[:2])
    # The standard leaves classes that begin with I to Z to users, such as a trigger that raises its own ERRCODE.
    own = DataFault if "I" <= sqlstate[0] <= "Z" else DeploymentFault
    return known or own


def _cause_of(error: psycopg.Error, sqlstate: str) -> Cause:
    try:
        reason = errors.lookup(sqlstate).__name__
    except KeyError:
        reason = type(error).__name__
    diagnosis = error.diag
    return Cause(
        reason,
        sqlstate=sqlstate,
        constraint=diagnosis.constraint_name,
        table=diagnosis.table_name,
        column=diagnosis.column_name,
    )
