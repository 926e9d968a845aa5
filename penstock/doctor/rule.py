"""A rule, and how it is applied."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from penstock.doctor.finding import Finding, NotKnown, Problem, not_checked
from penstock.doctor.service import Service

LAMBDA: Final = "https://docs.aws.amazon.com/lambda/latest/dg/"
SQS: Final = "https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/"
CLOUDFORMATION: Final = "https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/"
POSTGRES: Final = "https://www.postgresql.org/docs/current/"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule.

    Attributes:
        name: its name.
        why: why it is a rule.
        source: the address of the page that says so.
    """

    name: str
    why: str
    source: str

    def finding(self, problem: Problem) -> Finding:
        """Return a problem as a finding of this rule."""
        return Finding(
            severity=problem.severity,
            rule=self.name,
            resource=problem.resource,
            problem=problem.text,
            why=self.why,
            source=self.source,
            hint=problem.hint,
        )


@dataclass(frozen=True, slots=True)
class ServiceRule(Rule):
    """A rule about a service.

    Attributes:
        each: the pieces of a service that it is about, each checked by itself.
        check: yields what is wrong with one piece; it raises `NotKnown` for what cannot be seen.
    """

    each: Callable[[Service], Iterable[Any]]
    check: Callable[[Service, Any], Iterator[Problem]]

    def findings(self, service: Service) -> Iterator[Finding]:
        """Yield what is wrong with a service."""
        for piece in self.each(service):
            for problem in _checked(self.check(service, piece)):
                yield self.finding(problem)


def whole(service: Service) -> Iterable[Service]:
    """Return the service itself, for a rule that is about it as a whole."""
    return (service,)


def _checked(problems: Iterator[Problem]) -> Iterator[Problem]:
    """Yield the problems, and a note in the place of those that cannot be seen."""
    try:
        yield from problems
    except NotKnown as error:
        yield not_checked(error.resource, str(error))
