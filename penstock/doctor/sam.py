"""`AWS::Serverless::Function` of AWS SAM, as the resources that SAM makes of it.

Only what the rules look at is made: the function, its role, and the resources of its events (AWS SAM Developer
Guide, "Generated CloudFormation resources").
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

FUNCTION: Final = "AWS::Lambda::Function"
MAPPING: Final = "AWS::Lambda::EventSourceMapping"
INTEGRATION: Final = "AWS::ApiGatewayV2::Integration"
SCHEDULE: Final = "AWS::Events::Rule"
ROLE: Final = "AWS::IAM::Role"

_SAM_FUNCTION: Final = "AWS::Serverless::Function"
_TRIGGERS: Final = {"Api": INTEGRATION, "HttpApi": INTEGRATION}
_SCHEDULES: Final = ("Schedule", "ScheduleV2")

Body = Mapping[str, Any]


def plain_resources(template: Body) -> dict[str, Body]:
    """Return the resources of a template, with those that SAM makes in place of its functions.

    Args:
        template: the template; what is no mapping in it is left out.
    """
    resources = {str(name): body for name, body in template["Resources"].items() if isinstance(body, Mapping)}
    common = _mapping(_mapping(template.get("Globals")).get("Function"))
    made = dict(resources)
    for name, body in resources.items():
        if body.get("Type") == _SAM_FUNCTION:
            made |= _function(name, body, common)
    return made


def _function(name: str, body: Body, common: Body) -> dict[str, Body]:
    given = _merged(common, _mapping(body.get("Properties")))
    events = _mapping(given.get("Events"))
    made: dict[str, Body] = {}
    for event, content in events.items():
        if isinstance(content, Mapping):
            made |= {f"{name}{event}": one for one in _event(name, content)}
    if "Role" not in given:
        made[f"{name}Role"] = _role(given.get("Policies"))
        given = given | {"Role": {"Fn::GetAtt": [f"{name}Role", "Arn"]}}
    return made | {name: dict(body) | {"Type": FUNCTION, "Properties": given}}


def _event(function: str, event: Body) -> Iterator[Body]:
    given = _mapping(event.get("Properties"))
    arn = {"Fn::GetAtt": [function, "Arn"]}
    kind = str(event.get("Type"))
    if kind == "SQS":
        yield {
            "Type": MAPPING,
            "Properties": dict(given) | {"EventSourceArn": given.get("Queue"), "FunctionName": {"Ref": function}},
        }
    elif kind in _TRIGGERS:
        yield {"Type": _TRIGGERS[kind], "Properties": {"IntegrationUri": arn}}
    elif kind in _SCHEDULES:
        expression = given.get("Schedule", given.get("ScheduleExpression"))
        yield {
            "Type": SCHEDULE,
            "Properties": {"ScheduleExpression": expression, "Targets": [{"Arn": arn, "Id": function}]},
        }


def _role(policies: Any) -> Body:
    """Return the role of a function without one. SAM's policy templates name their resources, so they add none."""
    listed = policies if isinstance(policies, list) else [policies]
    documents = [one for one in listed if isinstance(one, Mapping) and "Statement" in one]
    managed = [one for one in listed if isinstance(one, str) or _is_reference(one)]
    return {
        "Type": ROLE,
        "Properties": {
            "Policies": [{"PolicyName": "own", "PolicyDocument": one} for one in documents],
            "ManagedPolicyArns": managed,
        },
    }


def _is_reference(value: Any) -> bool:
    return isinstance(value, Mapping) and len(value) == 1 and next(iter(value)) in {"Ref", "Fn::GetAtt", "Fn::Sub"}


def _merged(common: Body, own: Body) -> dict[str, Any]:
    """Merge the section `Globals` as SAM does: maps are merged, other values of the function replace."""
    merged = dict(common)
    for key, value in own.items():
        both = isinstance(value, Mapping) and isinstance(merged.get(key), Mapping)
        merged[key] = _merged(merged[key], value) if both else value
    return merged


def _mapping(value: Any) -> Body:
    return value if isinstance(value, Mapping) else {}
