"""What the role of a function allows, statement by statement."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from penstock.doctor.finding import NotKnown
from penstock.doctor.pieces import Function
from penstock.doctor.sam import ROLE
from penstock.doctor.service import Service, items, referred
from penstock.doctor.stack import Resource
from penstock.doctor.values import Reference, Unknown, Value, as_list, as_mapping, as_text

_ATTACHED: Final = ("AWS::IAM::Policy", "AWS::IAM::ManagedPolicy", "AWS::IAM::RolePolicy")


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement of a policy that allows something.

    Attributes:
        place: the resource that has it.
        actions: the actions, such as `sqs:SendMessage`.
        resources: their resources as texts; a reference is `${NAME.ATTRIBUTE}`.
        inverted: whether it allows all but what it names (`NotAction` or `NotResource`).
        unknown: what of it only a deployment knows; None if all of it is known.
    """

    place: str
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    inverted: bool
    unknown: str | None

    def allows(self, action: str) -> bool:
        """Return whether it allows an action on some resource."""
        if self.inverted:
            return True
        return any(fnmatchcase(action.lower(), allowed.lower()) for allowed in self.actions)


def role_of(function: Function) -> Resource:
    """Return the role of a function.

    Raises:
        NotKnown: the template does not have it.
    """
    resource = referred(function.resource.at("Role"))
    if resource is None or resource.type != ROLE:
        raise NotKnown(function.name, "its role (the template does not have it)")
    return resource


def statements_of(service: Service, role: Resource) -> list[Statement]:
    """Return the statements of a role that allow something, from all its policies in the template.

    Raises:
        NotKnown: a policy is not known.
    """
    return [one for place, document in _documents(service, role) for one in _statements(place, document)]


def managed_policies(role: Resource) -> list[str]:
    """Return the names of the managed policies of a role that the template does not have."""
    texts = (as_text(one) for one in items(role.at("ManagedPolicyArns")) if not isinstance(one, Reference))
    return [text.rpartition("/")[2] for text in texts if isinstance(text, str)]


def _documents(service: Service, role: Resource) -> Iterator[tuple[str, Value]]:
    for policy in items(role.at("Policies")):
        yield role.name, as_mapping(policy).get("PolicyDocument")
    attached = {referred(one) for one in items(role.at("ManagedPolicyArns"))}
    for resource in service.of_type(*_ATTACHED):
        roles = [*items(resource.at("Roles")), resource.at("RoleName")]
        if resource in attached or any(_names(one, role) for one in roles):
            yield resource.name, resource.at("PolicyDocument")


def _names(value: Value, role: Resource) -> bool:
    name = role.at("RoleName")
    return referred(value) is role or (isinstance(name, str) and value == name)


def _statements(place: str, document: Value) -> Iterator[Statement]:
    found = document if isinstance(document, Unknown) else as_mapping(document).get("Statement")
    if isinstance(found, Unknown):
        raise NotKnown(place, f"a policy ({found.why})")
    for one in items(found):
        if isinstance(one, Unknown):
            raise NotKnown(place, f"a statement of a policy ({one.why})")
        statement = as_mapping(one)
        if statement.get("Effect") == "Allow":
            yield _statement(place, statement)


def _statement(place: str, statement: Mapping[str, Value]) -> Statement:
    named = [as_list(statement.get(key)) for key in ("Action", "Resource")]
    unknown = [one.why for both in named for one in both if isinstance(one, Unknown)]
    actions, resources = (tuple(text for one in both if isinstance(text := as_text(one), str)) for both in named)
    inverted = "NotAction" in statement or "NotResource" in statement
    return Statement(place, actions, resources, inverted, unknown[0] if unknown else None)
