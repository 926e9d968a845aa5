"""The consumer's side: the drain, and how each kind is written."""

from penstock.consumer.append import Append
from penstock.consumer.binding import BindingError
from penstock.consumer.custom import Custom
from penstock.consumer.delete import Delete
from penstock.consumer.drain import Drain
from penstock.consumer.faults import (
    Cause,
    ConflictFault,
    DataFault,
    DeploymentFault,
    EnvironmentFault,
    Fault,
    NotYetFault,
)
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
