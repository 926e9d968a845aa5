"""A service in a stack: its pieces, found by their types and by how they refer to each other."""

from collections.abc import Iterator
from functools import cached_property
from typing import Final, TypeVar

from penstock.doctor import sam
from penstock.doctor.pieces import Drain, Function, Piece, Queue
from penstock.doctor.stack import Resource, Stack
from penstock.doctor.values import Reference, Unknown, Value, as_list

QUEUE: Final = "AWS::SQS::Queue"

P = TypeVar("P", bound=Piece)


class Service:
    """The pieces of a service.

    Args:
        stack: the stack.
        people: the connections to its database that are kept for people.
    """

    def __init__(self, stack: Stack, people: int = 0) -> None:
        self.stack = stack
        self.people = people
        everything = list(stack.everything())
        self.left_out = [one for one in everything if one.left_out_by]
        self.resources = [one for one in everything if not one.left_out_by]
        self.all_functions = [Function(one) for one in self.of_type(sam.FUNCTION)]
        self.queues = [Queue(one) for one in self.of_type(QUEUE)]

    def of_type(self, *types: str) -> Iterator[Resource]:
        """Yield the resources of some types that are part of the stack."""
        return (one for one in self.resources if one.type in types)

    @cached_property
    def functions(self) -> list[Function]:
        """The functions that have settings of Penstock."""
        return [one for one in self.all_functions if one.is_ours]

    @cached_property
    def database_functions(self) -> list[Function]:
        """The functions that have a database, Penstock's or not: their connections are those of the service."""
        return [one for one in self.all_functions if one.database_variables]

    @cached_property
    def producers(self) -> list[Function]:
        """The functions that emit."""
        drains = {drain.function for drain in self.drains}
        return [one for one in self.functions if one.is_producer and one not in drains]

    @cached_property
    def drains(self) -> list[Drain]:
        """The mappings from a queue to a function of Penstock's."""
        return [
            Drain(resource, function, self.queue_of(resource.at("EventSourceArn")))
            for resource in self.of_type(sam.MAPPING)
            if (function := self.function_at(resource, "FunctionName")) is not None
            and function.is_ours
            and not _is_other_source(resource.at("EventSourceArn"))
        ]

    @cached_property
    def drained_queues(self) -> list[Queue]:
        """The queues of the drains, each once."""
        return list(dict.fromkeys(drain.queue for drain in self.drains if drain.queue is not None))

    @cached_property
    def own_queues(self) -> list[Queue]:
        """The queues of the drains and their dead-letter queues."""
        dead = (self.dead_letters_of(queue) for queue in self.drained_queues)
        return list(dict.fromkeys([*self.drained_queues, *(queue for queue in dead if queue is not None)]))

    def dead_letters_of(self, queue: Queue) -> Queue | None:
        """Return the dead-letter queue of a queue; None if it has none, or one that is not of the stack."""
        return self.queue_of(queue.resource.at("RedrivePolicy", "deadLetterTargetArn"))

    def function_at(self, resource: Resource, name: str) -> Function | None:
        """Return the function that a property names, also if it is put together of the parts of an alias' ARN."""
        found = self.function_of(resource.at(name))
        if found is not None:
            return found
        mentioned = {self.function_of(Reference(one)) for one in resource.mentions(name)} - {None}
        return mentioned.pop() if len(mentioned) == 1 else None

    def function_of(self, value: Value) -> Function | None:
        """Return the function that a value names, itself or by an alias or a version; None if it is none."""
        for _ in range(3):
            resource = referred(value)
            if resource is None or resource.type not in {"AWS::Lambda::Alias", "AWS::Lambda::Version"}:
                break
            value = resource.at("FunctionName")
        return self._named(self.all_functions, "FunctionName", value)

    def queue_of(self, value: Value) -> Queue | None:
        """Return the queue that a value names; None if it is none of the stack."""
        return self._named(self.queues, "QueueName", value)

    @staticmethod
    def _named(pieces: list[P], name: str, value: Value) -> P | None:
        """Return the piece that a value refers to, or whose name is the last part of an ARN."""
        resource = referred(value)
        if resource is not None:
            return next((one for one in pieces if one.resource is resource), None)
        last = value.rpartition(":")[2] if isinstance(value, str) else None
        return next((one for one in pieces if last and one.resource.at(name) == last), None)


def referred(value: Value) -> Resource | None:
    """Return the resource that a value is a reference to; None if it is none."""
    found = value.resource if isinstance(value, Reference) else None
    return found if isinstance(found, Resource) else None


def items(value: Value) -> list[Value]:
    """Return the items of a list whose value may be missing, one item, or not known."""
    return [] if isinstance(value, Unknown) else as_list(value)


def _is_other_source(value: Value) -> bool:
    """Return whether the source of a mapping is known not to be a queue."""
    resource = referred(value)
    if resource is not None:
        return resource.type != QUEUE
    return isinstance(value, str) and ":sqs:" not in value
