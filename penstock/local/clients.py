"""Clients of the local AWS."""

from typing import Any, Final

import boto3
from botocore.config import Config

from penstock.local.aws import ACCESS_KEY

# No proxy, even if the environment names one: everything is on loopback.
_CONFIG: Final = Config(connect_timeout=5, read_timeout=30, proxies={})


def local_client(service: str, endpoint_url: str, region: str) -> Any:
    """Make a client.

    Args:
        service: The name of the service in AWS, such as `logs`.
        endpoint_url: The endpoint of the local AWS.
        region: The region.
    """
    session: Any = boto3.Session(ACCESS_KEY, ACCESS_KEY, region_name=region)
    return session.client(service, endpoint_url=endpoint_url, config=_CONFIG)
