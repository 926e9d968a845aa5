"""All rules about a service, applied."""

from collections.abc import Sequence
from typing import Final

from penstock.consumer.schema_check.finding import Severity
from penstock.doctor.budget import PEOPLE
from penstock.doctor.finding import Finding
from penstock.doctor.load import TemplateError
from penstock.doctor.rule import ServiceRule
from penstock.doctor.rules import aliases, connections, mapping, network, queues, roles, timeouts, watching
from penstock.doctor.service import Service
from penstock.doctor.stack import Stack

RULES: Final[tuple[ServiceRule, ...]] = (
    *connections.RULES,
    *mapping.RULES,
    *aliases.RULES,
    *queues.RULES,
    *roles.RULES,
    *network.RULES,
    *timeouts.RULES,
    *watching.RULES,
)
_OF_NUMBERS: Final = frozenset(
    {"budget", "proxy", "visibility", "concurrency", "batch", "fifo", "redrive", "retention", "payloads", "answer"}
)
NUMBERS: Final = tuple(rule for rule in RULES if rule.name in _OF_NUMBERS)
"""The rules about numbers that have to fit together, which neither osls nor CloudFormation checks."""

_ORDER: Final = list(Severity)


def examine(stack: Stack, rules: Sequence[ServiceRule] = RULES, *, people: int = PEOPLE) -> list[Finding]:
    """Return what is wrong with the service of a stack, the most severe first.

    Args:
        stack: the stack.
        rules: the rules to apply.
        people: the connections that are kept for people.

    Raises:
        TemplateError: the template is made so that it cannot be resolved.
    """
    try:
        service = Service(stack, people)
        found = dict.fromkeys(finding for rule in rules for finding in rule.findings(service))
    except RecursionError:
        raise TemplateError("the template is nested too deeply: simplify it") from None
    return in_order(found)


def in_order(found: "Sequence[Finding] | dict[Finding, None]") -> list[Finding]:
    """Return findings in order: faults, warnings, notes, each by rule and resource as they were found."""
    return sorted(found, key=lambda finding: _ORDER.index(finding.severity))
