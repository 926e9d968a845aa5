"""The names of faults that are known."""

import re

from penstock.consumer.faults.names import REASONS, fault_names
from tests.support.project import ROOT

_RAISED = re.compile(r'\b(?:DataFault\((?:Cause\()?|(?:Envelope|Upgrade|ForeignEvent)Error\(\s*)"([^"]+)"')


def test_every_reason_of_the_framework_is_known() -> None:
    """The reasons of data faults in the code are the known ones, with those that are made of other faults."""
    files = [*(ROOT / "penstock/consumer").rglob("*.py"), *(ROOT / "penstock/intents").glob("*.py")]
    raised = {reason for file in files for reason in _RAISED.findall(file.read_text())}
    assert raised | {"undecided", "session-ended", "validator-failed"} >= REASONS >= raised - {"unspecified"}


def test_classes_and_conditions_are_known() -> None:
    """The fault tree and the conditions of Postgres are known by their names."""
    assert fault_names() >= {"DataFault", "NotYetFault", "SharedFault", "CheckViolation", "ForeignKeyViolation"}
