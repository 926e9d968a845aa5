"""Plain CloudFormation from the parts that serverless.yml includes, for those who deploy with another tool."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from penstock.infra.include_file import include_document
from penstock.infra.lambda_functions import function_resources
from penstock.infra.variables import Variables

AUTHORIZERS: Final = ("jwt", "iam")
PARTS: Final = (
    *("throttle", "fifo", "vpc", "endpoints", "network", "aurora", "alarms"),
    *("events", "eventsVpc", "eventsEndpoint", "gradual", "encryption", "kms"),
)
"""The optional parts."""
NEEDS: Final = {
    **dict.fromkeys(("endpoints", "aurora", "network"), ("vpc",)),
    "eventsVpc": ("events", "vpc"),
    "eventsEndpoint": ("events", "endpoints"),
    "gradual": ("alarms",),
    "kms": ("endpoints",),
}
"""The parts without which another one is of no use."""
FUNCTIONS: Final = {"events": "eventsFunction"}
"""The functions of optional parts, which are included under `functions`."""

_DESCRIPTION: Final = "Penstock: write intents from a queue to Postgres"


class TemplateError(Exception):
    """The template that is asked for cannot be made; the message says what to change."""


def cloudformation_template(
    *,
    artifacts: str,
    authorizer: str = "jwt",
    parts: Iterable[str] = (),
    defaults: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return the parts as one CloudFormation template. The values of `custom.penstock` are its parameters.

    Args:
        artifacts: The folder of consumer.zip and migrate.zip, relative to the template.
        authorizer: Who may call the API: one of `AUTHORIZERS`.
        parts: The optional parts to include, of `PARTS`.
        defaults: Other defaults of parameters, by the parameters' names.

    Raises:
        TemplateError: A part needs another one, or there is no such parameter.
    """
    chosen = _with_needs(parts)
    variables = _variables(artifacts, authorizer, chosen)
    functions = ["functions", *(FUNCTIONS[part] for part in chosen if part in FUNCTIONS)]
    template = {"Resources": _api(variables) | _functions(variables, functions)}
    for part in ("resources", *chosen):
        _merge(template, variables.at(part))
    for name, extension in template.pop("extensions", {}).items():
        # A property as a whole, as osls does it: a reference must not be merged with another one.
        template["Resources"][name]["Properties"] |= extension["Properties"]
    _merge(template, {"Conditions": variables.conditions, "Outputs": _outputs(template["Resources"])})
    content = {section: template[section] for section in ("Conditions", "Resources", "Outputs")}
    parameters = _parameters(variables, content, defaults or {})
    return {
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": _DESCRIPTION,
        "Parameters": parameters,
        **content,
    }


def _with_needs(parts: Iterable[str]) -> list[str]:
    given = set(parts)
    for part in sorted(given):
        if part not in PARTS:
            message = f"there is no part {part}: the parts are {', '.join(PARTS)}"
            raise TemplateError(message)
        for needed in NEEDS.get(part, ()):
            if needed not in given:
                message = f"the part {part} needs the part {needed}: name both"
                raise TemplateError(message)
    return [part for part in PARTS if part in given]


def _variables(artifacts: str, authorizer: str, parts: list[str]) -> Variables:
    """Return the variables, with what the chosen parts put in the place of parameters."""
    if authorizer not in AUTHORIZERS:
        message = f"there is no authorizer {authorizer} here: {' or '.join(AUTHORIZERS)}"
        raise TemplateError(message)
    document = include_document()
    given: dict[str, Any] = {
        "authorizer": authorizer,
        "artifacts": {name: f"{artifacts}/{name}.zip" for name in ("consumer", "migrate")},
    }
    variables = Variables(document, given)
    if "network" in parts:
        given["vpc"] = document["networks"]["private"]
    if "aurora" in parts:
        given["database"] = variables.at("databases.aurora")
    return variables


def _functions(variables: Variables, sections: Iterable[str]) -> dict[str, Any]:
    common = {
        "FunctionNamePrefix": "${Service}-${Stage}",
        "Runtime": variables.parameter("Runtime", "The Python that the artifacts were built for", "python3.14"),
        "Architectures": [variables.parameter("Architecture", "arm64 or x86_64, as the artifacts", "arm64")],
        "RetentionInDays": variables.parameter("LogRetentionInDays", "How long the logs are kept", 14),
    }
    made: dict[str, Any] = {}
    for section in sections:
        for key, function in variables.at(section).items():
            made |= function_resources(key, function, common)
    return made


def _api(variables: Variables) -> dict[str, Any]:
    """Return the HTTP API, its stage and its authorizer."""
    api = {"Ref": "HttpApi"}
    name = variables.resolve("${sls:stage}-${self:service}")
    made: dict[str, Any] = {
        "HttpApi": {"Type": "AWS::ApiGatewayV2::Api", "Properties": {"Name": name, "ProtocolType": "HTTP"}},
        "HttpApiStage": {
            "Type": "AWS::ApiGatewayV2::Stage",
            "Properties": {"ApiId": api, "StageName": "$default", "AutoDeploy": True},
        },
    }
    for key, authorizer in variables.at("api.authorizers").items():
        made[f"HttpApiAuthorizer{key[0].upper()}{key[1:]}"] = {
            "Type": "AWS::ApiGatewayV2::Authorizer",
            "Properties": {
                "ApiId": api,
                "Name": key,
                "AuthorizerType": authorizer["type"].upper(),
                "IdentitySource": [authorizer["identitySource"]],
                "JwtConfiguration": {"Audience": [authorizer["audience"]], "Issuer": authorizer["issuerUrl"]},
            },
        }
    return made


def _outputs(resources: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the routes of other stacks need; osls has the first two under the same names."""
    outputs = {
        "HttpApiId": {"Description": "Id of the HTTP API", "Value": {"Ref": "HttpApi"}},
        "HttpApiUrl": {
            "Description": "URL of the HTTP API",
            "Value": {"Fn::Sub": "https://${HttpApi}.execute-api.${AWS::Region}.${AWS::URLSuffix}"},
        },
    }
    if "HttpApiAuthorizerCallers" in resources:
        outputs["HttpApiAuthorizerId"] = {
            "Description": "The authorizer for the routes of the producers",
            "Value": {"Ref": "HttpApiAuthorizerCallers"},
        }
    return outputs


def _parameters(
    variables: Variables, content: Mapping[str, Any], defaults: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return the parameters that the template refers to, with the given defaults."""
    text = json.dumps(content)
    parameters = {
        name: parameter
        for name, parameter in variables.parameters.items()
        if f'{{"Ref": "{name}"}}' in text or f"${{{name}}}" in text
    }
    for name, value in defaults.items():
        if name not in parameters:
            message = f"there is no parameter {name}: the parameters are {', '.join(parameters)}"
            raise TemplateError(message)
        parameters[name] = parameters[name] | {"Default": value}
    return parameters


def _merge(target: dict[str, Any], source: Mapping[str, Any]) -> None:
    """Merge mappings as osls merges the parts under `resources`: deeply, the later value wins."""
    for key, value in source.items():
        if isinstance(value, dict) and isinstance(target.get(key), dict):
            _merge(target[key], value)
        else:
            target[key] = value
