"""Functions as serverless.yml has them, as CloudFormation resources with the names that osls gives them."""

from collections.abc import Callable, Mapping
from typing import Any, Final

Resources = dict[str, dict[str, Any]]


def function_resources(key: str, function: Mapping[str, Any], common: Mapping[str, Any]) -> Resources:
    """Return the resources of one function: the function, its log group, and those of its events.

    Args:
        key: The function's name in serverless.yml.
        function: Its content, without variables.
        common: Properties that all functions have, and `FunctionNamePrefix` and `RetentionInDays`.
    """
    prefix = logical_prefix(key)
    resources: Resources = {
        f"{prefix}LogGroup": _log_group(key, common),
        f"{prefix}LambdaFunction": _lambda_function(key, function, common),
    }
    for event in function.get("events", []):
        ((kind, content),) = event.items()
        resources |= _EVENTS[kind](key, function["role"], content)
    return resources


def logical_prefix(key: str) -> str:
    """Return what the logical names of a function begin with, e.g. `DeadDashletters` for `dead-letters`."""
    return (key[0].upper() + key[1:]).replace("-", "Dash")


def route_name(method: str, path: str) -> str:
    """Return the end of a route's logical name, e.g. `GetWritesReceiptVar`."""
    steps = [step.strip("{}") + ("Var" if "{" in step else "") for step in path.strip("/").split("/")]
    return method.capitalize() + "".join(step[0].upper() + step[1:] for step in steps)


def _lambda_function(key: str, function: Mapping[str, Any], common: Mapping[str, Any]) -> dict[str, Any]:
    variables = {name: _as_text(value) for name, value in function["environment"].items()}
    return {
        "Type": "AWS::Lambda::Function",
        "DependsOn": f"{logical_prefix(key)}LogGroup",
        "Properties": {
            "FunctionName": _named("", key, common),
            "Code": function["package"]["artifact"],
            "Handler": function["handler"],
            "Runtime": common["Runtime"],
            "Architectures": common["Architectures"],
            "MemorySize": function["memorySize"],
            "Timeout": function["timeout"],
            "ReservedConcurrentExecutions": function["reservedConcurrency"],
            "Role": _arn(function["role"]),
            "Environment": {"Variables": variables},
        },
    }


def _log_group(key: str, common: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "LogGroupName": _named("/aws/lambda/", key, common),
        "RetentionInDays": common["RetentionInDays"],
    }
    return {"Type": "AWS::Logs::LogGroup", "Properties": properties}


def _sqs(key: str, role: str, event: Mapping[str, Any]) -> Resources:
    prefix = logical_prefix(key)
    mapping = {
        "Type": "AWS::Lambda::EventSourceMapping",
        "DependsOn": role,
        "Properties": {
            "BatchSize": event["batchSize"],
            "MaximumBatchingWindowInSeconds": event["maximumBatchingWindow"],
            "EventSourceArn": event["arn"],
            "FunctionName": _arn(f"{prefix}LambdaFunction"),
            "Enabled": True,
            "FunctionResponseTypes": [event["functionResponseType"]],
            "ScalingConfig": {"MaximumConcurrency": event["maximumConcurrency"]},
        },
    }
    queue = event["arn"]["Fn::GetAtt"][0]
    return {f"{prefix}EventSourceMappingSQS{queue}": mapping}


def _schedule(key: str, _role: str, rate: str) -> Resources:
    prefix = logical_prefix(key)
    rule = f"{prefix}EventsRuleSchedule1"
    properties = {
        "ScheduleExpression": rate,
        "State": "ENABLED",
        "Targets": [{"Arn": _arn(f"{prefix}LambdaFunction"), "Id": f"{key}Schedule"}],
    }
    return {
        rule: {"Type": "AWS::Events::Rule", "Properties": properties},
        f"{prefix}LambdaPermissionEventsRuleSchedule1": _permission(prefix, "events.amazonaws.com", _arn(rule)),
    }


def _http_api(key: str, _role: str, event: Mapping[str, Any]) -> Resources:
    prefix = logical_prefix(key)
    integration = f"HttpApiIntegration{prefix}"
    route = {
        "ApiId": {"Ref": "HttpApi"},
        "RouteKey": f"{event['method']} {event['path']}",
        "Target": {"Fn::Sub": f"integrations/${{{integration}}}"},
        **_authorization(event["authorizer"]),
    }
    source = {"Fn::Sub": "arn:${AWS::Partition}:execute-api:${AWS::Region}:${AWS::AccountId}:${HttpApi}/*"}
    return {
        integration: {
            "Type": "AWS::ApiGatewayV2::Integration",
            "Properties": {
                "ApiId": {"Ref": "HttpApi"},
                "IntegrationType": "AWS_PROXY",
                "IntegrationUri": _arn(f"{prefix}LambdaFunction"),
                "PayloadFormatVersion": "2.0",
                "TimeoutInMillis": 30_000,
            },
        },
        f"HttpApiRoute{route_name(event['method'], event['path'])}": {
            "Type": "AWS::ApiGatewayV2::Route",
            "Properties": route,
        },
        f"{prefix}LambdaPermissionHttpApi": _permission(prefix, "apigateway.amazonaws.com", source),
    }


_EVENTS: Final[dict[str, Callable[..., Resources]]] = {"sqs": _sqs, "schedule": _schedule, "httpApi": _http_api}


def _authorization(authorizer: Mapping[str, str]) -> dict[str, Any]:
    if "type" in authorizer:
        return {"AuthorizationType": authorizer["type"].upper()}
    name = authorizer["name"]
    reference = {"Ref": f"HttpApiAuthorizer{name[0].upper()}{name[1:]}"}
    return {"AuthorizationType": "JWT", "AuthorizerId": reference}


def _permission(prefix: str, principal: str, source: Mapping[str, Any]) -> dict[str, Any]:
    properties = {
        "FunctionName": _arn(f"{prefix}LambdaFunction"),
        "Action": "lambda:InvokeFunction",
        "Principal": principal,
        "SourceArn": source,
    }
    return {"Type": "AWS::Lambda::Permission", "Properties": properties}


def _named(before: str, key: str, common: Mapping[str, Any]) -> dict[str, str]:
    return {"Fn::Sub": f"{before}{common['FunctionNamePrefix']}-{key}"}


def _arn(logical_name: str) -> dict[str, list[str]]:
    return {"Fn::GetAtt": [logical_name, "Arn"]}


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int | float) else value
