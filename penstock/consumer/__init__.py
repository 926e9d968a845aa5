"""The consumer side: the drain, the write modes, and the other functions of the consumer."""

from typing import TYPE_CHECKING, Final

from penstock.consumer.faults.tree import (
    Cause,
    ConflictFault,
    DataFault,
    DeploymentFault,
    EnvironmentFault,
    Fault,
    NotYetFault,
)
from penstock.exports import exports_of

if TYPE_CHECKING:
    from penstock.consumer.breaker.probe import Probe
    from penstock.consumer.dead_letter import DeadLetter
    from penstock.consumer.drain import Drain
    from penstock.consumer.events import EventSender
    from penstock.consumer.hooks import Transition
    from penstock.consumer.mapping.columns import BindingError
    from penstock.consumer.modes.append import Append
    from penstock.consumer.modes.custom import Custom
    from penstock.consumer.modes.delete import Delete
    from penstock.consumer.modes.increment import Increment
    from penstock.consumer.modes.upsert import Upsert
    from penstock.consumer.outcomes import Outcomes
    from penstock.consumer.prune import Prune

__all__ = [
    "Append",
    "BindingError",
    "Cause",
    "ConflictFault",
    "Custom",
    "DataFault",
    "DeadLetter",
    "Delete",
    "DeploymentFault",
    "Drain",
    "EnvironmentFault",
    "EventSender",
    "Fault",
    "Increment",
    "NotYetFault",
    "Outcomes",
    "Probe",
    "Prune",
    "Transition",
    "Upsert",
]

_MODULES: Final = {
    "Append": "modes.append",
    "BindingError": "mapping.columns",
    "Custom": "modes.custom",
    "DeadLetter": "dead_letter",
    "Delete": "modes.delete",
    "Drain": "drain",
    "EventSender": "events",
    "Increment": "modes.increment",
    "Outcomes": "outcomes",
    "Probe": "breaker.probe",
    "Prune": "prune",
    "Transition": "hooks",
    "Upsert": "modes.upsert",
}

__getattr__ = exports_of(__name__, _MODULES)
