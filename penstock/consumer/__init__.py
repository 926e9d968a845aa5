"""The consumer's side: the drain, and how each kind is written."""

from penstock.consumer.append import Append
from penstock.consumer.binding import BindingError
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
from penstock.consumer.outcomes import Outcomes
from penstock.consumer.probe import Probe

__all__ = [
    "Append",
    "BindingError",
    "Cause",
    "ConflictFault",
    "DataFault",
    "DeploymentFault",
    "Drain",
    "EnvironmentFault",
    "Fault",
    "NotYetFault",
    "Outcomes",
    "Probe",
]
