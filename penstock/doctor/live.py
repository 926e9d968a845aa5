"""A deployed stack: its template and parameters, with the live settings in place of those of the template.

A setting can be changed after a deployment, in the console for example. References stay those of the template:
they are how the pieces are found.
"""

import json
from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from penstock.doctor import sam
from penstock.doctor.load import TemplateError, parse_template
from penstock.doctor.service import QUEUE
from penstock.doctor.stack import NESTED, Stack
from penstock.doctor.values import Unknown

_OF_MAPPING: Final = (
    "BatchSize",
    "MaximumBatchingWindowInSeconds",
    "FunctionResponseTypes",
    "ScalingConfig",
    "FilterCriteria",
    "ProvisionedPollerConfig",
)
_OF_QUEUE: Final = ("VisibilityTimeout", "MessageRetentionPeriod", "SqsManagedSseEnabled")
_RESERVED: Final = "ReservedConcurrentExecutions"
_HIDDEN: Final = "****"
"""CloudFormation shows this for a parameter with `NoEcho`."""
_DEEPEST: Final = 5

Clients = Callable[[str], Any]
Properties = dict[str, Any]


def read_live_stack(name: str, clients: Clients, *, emulated: bool = False) -> Stack:
    """Return a deployed stack, and the stacks that are nested in it.

    Args:
        name: its name.
        clients: returns the boto3 client of a service of AWS.
        emulated: whether the stack is on the local AWS, which does not reserve concurrency: that of the template
            counts.

    Raises:
        TemplateError: its template cannot be examined.
        botocore.exceptions.BotoCoreError: CloudFormation cannot be reached.
        botocore.exceptions.ClientError: there is no such stack, or a permission is missing.
    """
    reader = _Reader(clients, emulated=emulated)
    template = reader.template(name)
    stack = Stack(template.content, reader.parameters(name))
    reader.nest(stack, template, _DEEPEST)
    return stack


@dataclass(frozen=True, slots=True)
class _Template:
    """A deployed template with live settings.

    Attributes:
        content: the template.
        ids: the physical ids of its resources by their logical names.
        unseen: the resources whose live settings could not be read, and why.
    """

    content: Mapping[str, Any]
    ids: Mapping[str, str]
    unseen: Mapping[str, str]


def _given(parameter: Mapping[str, str]) -> str | Unknown | None:
    """Return the value of a parameter; for one that names a parameter of Systems Manager, that one's."""
    value = parameter.get("ResolvedValue", parameter.get("ParameterValue"))
    return Unknown("CloudFormation hides it") if value == _HIDDEN else value


class _Reader:
    """Reads stacks with the live settings of their resources, with one client for each service."""

    def __init__(self, clients: Clients, *, emulated: bool) -> None:
        self._clients = clients
        self._emulated = emulated
        self._made: dict[str, Any] = {}

    def parameters(self, name: str) -> dict[str, Any]:
        """Return the parameters that a stack was deployed with."""
        stack = self._client("cloudformation").describe_stacks(StackName=name)["Stacks"][0]
        return {one["ParameterKey"]: _given(one) for one in stack.get("Parameters", [])}

    def template(self, name: str) -> _Template:
        """Return the template of a stack, with live settings."""
        formation = self._client("cloudformation")
        body = formation.get_template(StackName=name, TemplateStage="Processed")["TemplateBody"]
        content = deepcopy(dict(parse_template(body if isinstance(body, str) else json.dumps(body))))
        pages = formation.get_paginator("list_stack_resources").paginate(StackName=name)
        ids = {one["LogicalResourceId"]: one["PhysicalResourceId"] for page in pages for one in _deployed(page)}
        unseen = {}
        for logical, physical in ids.items():
            try:
                self._overlay(content["Resources"].get(logical, {}), physical)
            except (BotoCoreError, ClientError) as error:
                unseen[logical] = f"its live settings ({_code(error)}); those of the template are examined"
        return _Template(content, ids, unseen)

    def nest(self, stack: Stack, template: _Template, levels: int) -> None:
        """Nest the stacks that a stack has in it."""
        stack.unseen.update(template.unseen)
        for resource in stack.resources.values():
            if resource.type in NESTED and resource.logical_name in template.ids:
                self._nest(stack, resource.logical_name, template.ids[resource.logical_name], levels)

    def _nest(self, stack: Stack, logical: str, physical: str, levels: int) -> None:
        try:
            if levels == 0:
                raise TemplateError("it is nested too deeply")
            template = self.template(physical)
            self.nest(stack.nest(logical, template.content), template, levels - 1)
        except (TemplateError, BotoCoreError, ClientError) as error:
            reason = str(error) if isinstance(error, TemplateError) else _code(error)
            stack.unseen[logical] = f"what it contains ({reason})"

    def _overlay(self, body: dict[str, Any], physical: str) -> None:
        """Replace the settings of a resource with the live ones."""
        properties = body.setdefault("Properties", {})
        if body.get("Type") == QUEUE:
            self._queue(properties, physical)
        elif body.get("Type") == sam.FUNCTION:
            self._function(properties, physical)
        elif body.get("Type") == sam.MAPPING:
            found = self._client("lambda").get_event_source_mapping(UUID=physical)
            _replace(properties, {name: found.get(name) or None for name in _OF_MAPPING})

    def _queue(self, properties: Properties, url: str) -> None:
        found = self._client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        _replace(properties, {name: found[name] for name in _OF_QUEUE if name in found})
        live = json.loads(found["RedrivePolicy"]) if found.get("RedrivePolicy") else None
        known = properties.get("RedrivePolicy")
        if live and isinstance(known, dict):
            live |= {key: value for key, value in known.items() if key == "deadLetterTargetArn"}
        _replace(properties, {"RedrivePolicy": live})

    def _function(self, properties: Properties, name: str) -> None:
        client = self._client("lambda")
        found = client.get_function_configuration(FunctionName=name)
        _replace(properties, {"Timeout": found.get("Timeout")})
        if not self._emulated:
            reserved = client.get_function_concurrency(FunctionName=name).get(_RESERVED)
            _replace(properties, {_RESERVED: reserved})
        live = found.get("Environment", {}).get("Variables", {})
        known = properties.get("Environment", {}).get("Variables", {})
        if isinstance(known, dict):
            kept = {key: value for key, value in known.items() if key in live and isinstance(value, dict)}
            properties["Environment"] = {"Variables": live | kept}

    def _client(self, service: str) -> Any:
        if service not in self._made:
            self._made[service] = self._clients(service)
        return self._made[service]


def _deployed(page: Mapping[str, Any]) -> list[Mapping[str, str]]:
    return [one for one in page["StackResourceSummaries"] if one.get("PhysicalResourceId")]


def _replace(properties: Properties, live: Mapping[str, Any]) -> None:
    """Set the properties that have a live value, and remove the others."""
    for name, value in live.items():
        if value is None:
            properties.pop(name, None)
        else:
            properties[name] = value


def _code(error: BotoCoreError | ClientError) -> str:
    return error.response["Error"]["Code"] if isinstance(error, ClientError) else type(error).__name__
