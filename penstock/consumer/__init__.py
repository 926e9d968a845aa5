"""The consumer's side: the drain, and how each kind is written."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from penstock.consumer.faults import (
    Cause,
    ConflictFault,
    DataFault,
    DeploymentFault,
    EnvironmentFault,
    Fault,
    NotYetFault,
)

if TYPE_CHECKING:
    from penstock.consumer.append import Append
    from penstock.consumer.binding import BindingError
    from penstock.consumer.custom import Custom
    from penstock.consumer.delete import Delete
    from penstock.consumer.drain import Drain
    from penstock.consumer.increment import Increment
    from penstock.consumer.outcomes import Outcomes
    from penstock.consumer.probe import Probe
    from penstock.consumer.prune import Prune
    from penstock.consumer.upsert import Upsert

__all__ = [
    "Append",
    "BindingError",
    "Cause",
    "ConflictFault",
    "Custom",
    "DataFault",
    "Delete",
    "DeploymentFault",
    "Drain",
    "EnvironmentFault",
    "Fault",
    "Increment",
    "NotYetFault",
    "Outcomes",
    "Probe",
    "Prune",
    "Upsert",
]

_MODULES: Final = {
    "Append": "append",
    "BindingError": "binding",
    "Custom": "custom",
    "Delete": "delete",
    "Drain": "drain",
    "Increment": "increment",
    "Outcomes": "outcomes",
    "Probe": "probe",
    "Prune": "prune",
    "Upsert": "upsert",
}


def __getattr__(name: str) -> Any:
    """Import what needs SQLAlchemy for who asks for it: a command that looks at dead letters starts without."""
    if name in _MODULES:
        return getattr(import_module(f"penstock.consumer.{_MODULES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
