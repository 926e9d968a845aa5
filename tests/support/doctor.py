"""Templates for the doctor, and what it finds in them."""

import json
from collections.abc import Iterable
from typing import Any

from penstock.consumer.schema_check.finding import Severity
from penstock.doctor.examine import NUMBERS, examine
from penstock.doctor.finding import Finding
from penstock.doctor.stack import Stack
from penstock.infra.template import cloudformation_template
from tests.support.infra_tools import WITHOUT_EVENTS

Template = dict[str, Any]

PRODUCER = {
    "Type": "AWS::Lambda::Function",
    "Properties": {
        "Timeout": 10,
        "Role": {"Fn::GetAtt": ["ProducerRole", "Arn"]},
        "Environment": {
            "Variables": {
                "PENSTOCK_QUEUE_URL": {"Ref": "Queue"},
                "PENSTOCK_RECEIPT_KEY": {"Fn::GetAtt": ["ReceiptKey", "Id"]},
                "PENSTOCK_PAYLOAD_BUCKET": {"Ref": "PayloadBucket"},
            }
        },
    },
}


def own_template(parts: Iterable[str] = WITHOUT_EVENTS, **defaults: Any) -> Template:
    """Return the template of Penstock's parts with a producer; no two of its values are the same object."""
    known = {"Stage": "dev"} | defaults
    made = cloudformation_template(artifacts="build", parts=parts, defaults=known)
    made["Resources"]["Orders"] = PRODUCER
    template: Template = json.loads(json.dumps(made))
    return template


def properties(template: Template, name: str) -> dict[str, Any]:
    found: dict[str, Any] = template["Resources"][name]["Properties"]
    return found


def wrong(found: Iterable[Finding]) -> list[Finding]:
    """Return the faults and the warnings."""
    return [one for one in found if one.severity is not Severity.NOTE]


def diagnose(template: Template) -> list[Finding]:
    return wrong(examine(Stack(template)))


def notes(template: Template) -> list[str]:
    return [str(one) for one in examine(Stack(template)) if one.severity is Severity.NOTE]


def check_numbers(template: Template) -> list[str]:
    """Return what `penstock infra --check` finds in a template."""
    return [str(one) for one in wrong(examine(Stack(template), NUMBERS))]
