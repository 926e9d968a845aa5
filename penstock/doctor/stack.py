"""A stack: a template with the values of its parameters, and the stacks nested in it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, TypeVar

from penstock.doctor.intrinsics import evaluate, is_function, names_in
from penstock.doctor.load import TemplateError
from penstock.doctor.sam import plain_resources
from penstock.doctor.values import NO_VALUE, Reference, Unknown, Value

NESTED: Final = ("AWS::CloudFormation::Stack", "AWS::Serverless::Application")

_T = TypeVar("_T")

_DEEPEST: Final = 60
_MOST_STEPS: Final = 300_000
_STEPS_OF_A_STACK: Final = 2_000
_OUTPUTS: Final = "Outputs."


class Steps:
    """Counts the steps of an examination, which a small template can make endless."""

    def __init__(self) -> None:
        self._left = _MOST_STEPS

    def take(self, steps: int = 1) -> None:
        """Take steps.

        Raises:
            TemplateError: there have been too many.
        """
        self._left -= steps
        if self._left < 0:
            raise TemplateError(f"the template takes more than {_MOST_STEPS} steps to resolve: simplify it")


@dataclass(frozen=True, eq=False)
class Resource:
    """A resource of a stack.

    Attributes:
        stack: its stack.
        logical_name: its name in the template.
        body: what the template has for it.
    """

    stack: "Stack" = field(repr=False)
    logical_name: str
    body: Mapping[str, Any] = field(repr=False)

    @property
    def name(self) -> str:
        """The logical name; in a nested stack with the stack's name before it, as in `Penstock/Queue`."""
        return f"{self.stack.path}{self.logical_name}"

    @property
    def type(self) -> str:
        """The type, such as `AWS::SQS::Queue`."""
        return str(self.body.get("Type"))

    @property
    def left_out_by(self) -> str | None:
        """The condition that leaves the resource out of the stack; None if it is part of it, or may be."""
        condition = self.body.get("Condition")
        return condition if isinstance(condition, str) and self.stack.condition(condition) is False else None

    @cached_property
    def properties(self) -> Value:
        """The properties, resolved."""
        found = self.stack.resolve(self.body.get("Properties", {}))
        return found if isinstance(found, dict | Unknown) else {}

    def at(self, *path: str) -> Value:
        """Return a property; None if there is none, and `Unknown` if a part of the path is not known."""
        found = self.properties
        for step in path:
            if isinstance(found, Unknown):
                return found
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def mentions(self, name: str) -> "list[Resource]":
        """Return the resources that a property is made of, where their values cannot be computed."""
        given = self.body.get("Properties")
        names = self.stack.names_in(given.get(name)) if isinstance(given, Mapping) else []
        return [self.stack.resources[one] for one in dict.fromkeys(names) if one in self.stack.resources]


class Stack:
    """A stack.

    Args:
        template: the template: a mapping with `Resources`.
        parameters: the values of its parameters; one without a value has its default.

    Attributes:
        path: the names of the stacks that it is nested in, each with a slash; empty for the outermost stack.
        nested: the stacks that are nested in it, by their logical names.
        unseen: what of the stack could not be read, by the logical name of the resource, and why.
    """

    def __init__(self, template: Mapping[str, Any], parameters: Mapping[str, Any] | None = None) -> None:
        self.template = template
        self.path = ""
        self.nested: dict[str, Stack] = {}
        self.unseen: dict[str, str] = {}
        self._given = parameters or {}
        self._outer: Stack | None = None
        self._steps = Steps()
        self._depth = 0
        self._conditions: dict[str, bool | None] = {}

    def nest(self, name: str, template: Mapping[str, Any]) -> "Stack":
        """Nest a stack, with the parameters that this one gives it, and return it.

        Raises:
            TemplateError: there are hundreds of them.
        """
        self._steps.take(_STEPS_OF_A_STACK)
        properties = plain_resources(self.template)[name].get("Properties")
        given = properties.get("Parameters") if isinstance(properties, Mapping) else None
        stack = Stack(template, given if isinstance(given, Mapping) else {})
        stack.path = f"{self.path}{name}/"
        stack._outer = self
        stack._steps = self._steps
        self.nested[name] = stack
        return stack

    def stacks(self) -> "Iterator[Stack]":
        """Yield this stack and those nested in it."""
        yield self
        for stack in self.nested.values():
            yield from stack.stacks()

    @cached_property
    def resources(self) -> Mapping[str, Resource]:
        """Its resources by their logical names, whether or not their condition holds."""
        return {name: Resource(self, name, body) for name, body in plain_resources(self.template).items()}

    def everything(self) -> Iterator[Resource]:
        """Yield the resources of this stack and of those nested in it."""
        for stack in self.stacks():
            yield from stack.resources.values()

    def resolve(self, value: Any) -> Value:
        """Return a value of the template, resolved."""
        return self._inside(lambda: self._resolve(value), Unknown("its value is nested too deeply"))

    def names_in(self, value: Any) -> list[str]:
        """Return the names that a value of the template refers to, anywhere in it."""
        return self._inside(lambda: self._names_in(value), [])

    def parameter(self, name: str) -> Value:
        """Return the value of a parameter; `NO_VALUE` if the template has no such parameter."""
        declared = self.section("Parameters").get(name)
        if not isinstance(declared, Mapping):
            return NO_VALUE
        value = (
            (self._outer or self).resolve(self._given[name]) if name in self._given else declared.get("Default")
        )
        if value is None:
            return Unknown(f"the parameter {name} has no default")
        if isinstance(value, str) and str(declared.get("Type")).startswith(("List<", "CommaDelimitedList")):
            return [part.strip() for part in value.split(",")]
        return value

    def pseudo_parameter(self, name: str) -> Value:
        """Return a parameter of AWS's own (`AWS::Region`), which only a deployment knows."""
        return NO_VALUE if name == "AWS::NoValue" else Unknown(f"only a deployment knows {name}")

    def condition(self, name: str) -> bool | None:
        """Return whether a condition holds; None if that is not known."""
        if name not in self._conditions:
            self._conditions[name] = None  # What it refers to itself, in a circle, is not known.
            found = self.resolve(self.section("Conditions").get(name))
            self._conditions[name] = found if isinstance(found, bool) else None
        return self._conditions[name]

    def output(self, name: str) -> Value:
        """Return the value of an output; None if there is no such output."""
        declared = self.section("Outputs").get(name)
        return self.resolve(declared.get("Value")) if isinstance(declared, Mapping) else None

    def attribute(self, name: str, attribute: str) -> Value:
        """Return the attribute of a resource, or an output of a nested stack; the attribute is empty for `Ref`."""
        nested = self.nested.get(name)
        if nested is not None and attribute.startswith(_OUTPUTS):
            found = nested.output(attribute.removeprefix(_OUTPUTS))
            return Unknown(f"the nested stack {name} has no such output") if found is None else found
        resource = self.resources.get(name)
        return Unknown(f"the template has no {name}") if resource is None else Reference(resource, attribute)

    def section(self, name: str) -> Mapping[str, Any]:
        """Return a section of the template; an empty one if there is none."""
        found = self.template.get(name)
        return found if isinstance(found, Mapping) else {}

    def _resolve(self, value: Any) -> Value:
        self._steps.take()
        if isinstance(value, Mapping):
            return evaluate(self, value) if is_function(value) else self._mapping(value)
        if isinstance(value, list):
            items = [self.resolve(item) for item in value]
            return [item for item in items if item is not NO_VALUE]
        return value if isinstance(value, bool | int | float | str | Reference | Unknown) else None

    def _mapping(self, value: Mapping[Any, Any]) -> dict[str, Value]:
        pairs = {str(key): self.resolve(item) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item is not NO_VALUE}

    def _names_in(self, value: Any) -> list[str]:
        self._steps.take()
        if isinstance(value, Mapping):
            return [*names_in(value), *(name for one in value.values() for name in self.names_in(one))]
        return [name for one in value for name in self.names_in(one)] if isinstance(value, list) else []

    def _inside(self, enter: Callable[[], _T], too_deep: _T) -> _T:
        if self._depth > _DEEPEST:
            return too_deep
        self._depth += 1
        try:
            return enter()
        finally:
            self._depth -= 1
