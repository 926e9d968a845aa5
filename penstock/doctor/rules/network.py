"""Rules about the way from the VPC of a function to the services of AWS that it calls."""

from collections.abc import Iterator
from typing import Final

from penstock.doctor.finding import NotKnown, Problem, fault
from penstock.doctor.pieces import DEAD_LETTER_QUEUE_URL, PAYLOAD_BUCKET, QUEUE_URL, Function
from penstock.doctor.rule import LAMBDA, ServiceRule
from penstock.doctor.service import Service, items, referred
from penstock.doctor.stack import Resource
from penstock.doctor.values import Unknown, Value, as_text

_SUBNET: Final = "AWS::EC2::Subnet"
_CALLS: Final = {
    QUEUE_URL: "sqs",
    DEAD_LETTER_QUEUE_URL: "sqs",
    PAYLOAD_BUCKET: "s3",
    "PENSTOCK_EVENT_SOURCE_MAPPING": "lambda",
}
"""The service that a function calls because of a setting."""
_SECRETS: Final = "secretsmanager"
_EVERYWHERE: Final = ("0.0.0.0/0", "::/0")


def _endpoints(service: Service, function: Function) -> Iterator[Problem]:
    """Check the ways that the template can show: of a VPC that it has itself."""
    subnets = function.resource.at("VpcConfig", "SubnetIds")
    if isinstance(subnets, Unknown):
        raise NotKnown(function.name, f"the way from its subnets to AWS ({subnets.why})")
    if not items(subnets):
        return
    own = [found for one in items(subnets) if (found := referred(one)) and found.type == _SUBNET]
    if len(own) < len(items(subnets)):
        raise NotKnown(
            function.name,
            "the way from its subnets to AWS: a NAT gateway, or endpoints (the template has not the subnets)",
        )
    if all(_has_default_route(service, subnet) for subnet in own):
        return
    vpcs = {_known(subnet, "VpcId") for subnet in own}
    present = {
        _service_of(one) for one in service.of_type("AWS::EC2::VPCEndpoint") if as_text(one.at("VpcId")) in vpcs
    }
    called = _called(function)
    if "PENSTOCK_DIGEST_KEY" in function.variables and [*service.of_type("AWS::KMS::Key")]:
        called.add("kms")
    if missing := sorted(called - present):
        yield fault(
            function.name,
            f"its VPC has no NAT gateway and no endpoint for {', '.join(missing)}: its calls hang until they "
            "time out",
            "add the part `endpoints` (for kms, the part `kms`), or an AWS::EC2::VPCEndpoint for each",
        )


def _known(resource: Resource, name: str) -> str:
    found = as_text(resource.at(name))
    if not isinstance(found, str):
        raise NotKnown(resource.name, f"{name} ({found.why if found else 'there is none'})")
    return found


def _called(function: Function) -> set[str]:
    """Return the services that a function calls, by the names that endpoints have for them."""
    called = {name for variable, name in _CALLS.items() if variable in function.variables}
    if any(map(_is_secret, function.variables.values())):
        called.add(_SECRETS)
    return called


def _is_secret(value: Value) -> bool:
    """Return whether a variable names a secret, itself or as the credentials of a database."""
    resource = referred(value)
    if resource is not None:
        return resource.type == "AWS::SecretsManager::Secret"
    text = str(value)
    return f":{_SECRETS}:" in text or ("credentials=" in text and "credentials=iam" not in text)


def _service_of(endpoint: Resource) -> str | None:
    name = as_text(endpoint.at("ServiceName"))
    return name.rpartition(".")[2] if isinstance(name, str) else None


def _has_default_route(service: Service, subnet: Resource) -> bool:
    """Return whether a subnet has a way to the internet that a function can use.

    A function in a VPC has no public address, so an internet gateway is none.
    """
    tables = {
        _known(one, "RouteTableId")
        for one in service.of_type("AWS::EC2::SubnetRouteTableAssociation")
        if referred(one.at("SubnetId")) is subnet
    }
    return any(
        as_text(route.at("RouteTableId")) in tables
        and as_text(route.at("DestinationCidrBlock")) in _EVERYWHERE
        and route.at("GatewayId") is None
        for route in service.of_type("AWS::EC2::Route")
    )


def _in_a_vpc(service: Service) -> list[Function]:
    return [one for one in service.functions if one.resource.at("VpcConfig") is not None]


RULES: Final = (
    ServiceRule(
        "endpoints",
        "A function in a VPC reaches AWS only by a NAT gateway or by endpoints",
        f"{LAMBDA}configuration-vpc-internet.html",
        _in_a_vpc,
        _endpoints,
    ),
)
