"""The connections that a service holds at most: of each function, at rest, and while a deployment shifts.

A function holds concurrency x pool size. An execution environment that is not in use keeps its socket until Lambda
ends it. A deployment makes new environments and leaves the old ones to Lambda, which keeps an environment "for
some time in anticipation of another function invocation" (AWS Lambda Developer Guide, "Understanding the Lambda
execution environment lifecycle"), and both serve invocations for a while (AWS Whitepaper "Serverless Architectures
with AWS Lambda", "Deployment"). So a deployment counts every function twice.

With Lambda managed instances, each environment has as many Python processes as it takes requests at once, and each
process has a pool of its own (AWS Lambda Developer Guide, "Python runtime for Lambda Managed Instances").
"""

from dataclasses import dataclass
from typing import Final

from penstock.doctor.finding import NotKnown
from penstock.doctor.pieces import POOL_SIZE, Function
from penstock.doctor.service import Service
from penstock.doctor.values import Unknown, as_number

PEOPLE: Final = 5
"""The connections that are kept for people: psql, migrations, a dashboard."""

_MANAGED: Final = ("CapacityProviderConfig", "LambdaManagedInstancesCapacityProviderConfig")
_PROCESSES: Final = (*_MANAGED, "PerExecutionEnvironmentMaxConcurrency")
_ENVIRONMENTS: Final = ("FunctionScalingConfig", "MaxExecutionEnvironments")


@dataclass(frozen=True, slots=True)
class Share:
    """The share of one function.

    Attributes:
        function: its name.
        concurrency: how many processes of it can hold a pool at once.
        pool: the connections of one pool.
        how: what the concurrency is made of, such as `5 environments x 16 processes`; empty for a plain number.
    """

    function: str
    concurrency: int
    pool: int
    how: str = ""

    @property
    def connections(self) -> int:
        """The connections at most."""
        return self.concurrency * self.pool

    def __str__(self) -> str:
        return f"{self.function} {self.how or self.concurrency} x {self.pool}"


@dataclass(frozen=True, slots=True)
class Budget:
    """The connections of a service.

    Attributes:
        shares: those of each function that has a database.
    """

    shares: tuple[Share, ...]

    @property
    def connections(self) -> int:
        """The connections at rest: the budget."""
        return sum(share.connections for share in self.shares)

    @property
    def overlap(self) -> int:
        """The connections that a deployment adds while the environments of both versions live."""
        return self.connections

    @property
    def peak(self) -> int:
        """The connections while a deployment shifts."""
        return self.connections + self.overlap

    def __str__(self) -> str:
        parts = " + ".join(map(str, self.shares)) or "no function"
        return f"{self.connections} connections at most ({parts}), {self.peak} while a deployment shifts"


class NoBound(Exception):
    """A function can hold any number of connections.

    Attributes:
        function: its name.
        hint: how to bound it.
    """

    def __init__(self, function: str, text: str, hint: str) -> None:
        super().__init__(text)
        self.function = function
        self.hint = hint


def budget_of(service: Service) -> Budget:
    """Compute the budget of a service.

    Raises:
        NoBound: a function has no bound.
        NotKnown: only a deployment knows a number.
    """
    return Budget(tuple(map(share_of, service.database_functions)))


def share_of(function: Function) -> Share:
    """Compute the share of a function.

    Raises:
        NoBound: it has no bound.
        NotKnown: only a deployment knows a number.
    """
    pool = as_number(function.variables.get(POOL_SIZE, 1))
    if isinstance(pool, Unknown) or pool is None:
        raise NotKnown(function.name, f"its {POOL_SIZE} ({pool.why if pool else 'it is empty'})")
    if function.resource.at(_MANAGED[0]) is not None:
        return _managed(function, int(pool))
    reserved = function.number("ReservedConcurrentExecutions")
    if reserved is None:
        raise NoBound(
            function.name,
            f"has a database ({', '.join(function.database_variables)}) and no bound for its concurrency",
            "give it ReservedConcurrentExecutions (`reservedConcurrency` in serverless.yml), and count it in the "
            "budget",
        )
    return Share(function.name, int(reserved), int(pool))


def _managed(function: Function, pool: int) -> Share:
    """Compute the share of a function on managed instances."""
    environments, processes = function.number(*_ENVIRONMENTS), function.number(*_PROCESSES)
    if environments is None or processes is None:
        missing = [".".join(path) for path in (_ENVIRONMENTS, _PROCESSES) if function.number(*path) is None]
        raise NoBound(
            function.name,
            f"runs on Lambda managed instances, and {' and '.join(missing)} is not set: without it AWS starts "
            "16 Python processes for each vCPU, in any number of environments",
            "set both: environments x processes x pool size are the connections",
        )
    how = f"{int(environments)} environments x {int(processes)} processes"
    return Share(function.name, int(environments) * int(processes), pool, how)
