"""Clients of AWS services.

They are the clients of botocore that boto3 makes too. boto3 itself is not used: its import loads the S3 transfers.
"""

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.loaders import create_loader
from botocore.session import Session, get_session

_loader = cache(create_loader)


def fail_fast_config(*, read_timeout: float, attempts: int = 2, **options: Any) -> Config:
    """Make the configuration of a client that fails within seconds, because a caller waits for the response.

    Args:
        read_timeout: how many seconds to wait for a response; the timeout for a connection is one second.
        attempts: how often botocore tries a call, including the first attempt.
        options: further arguments of `botocore.config.Config`.
    """
    retries: Any = {"mode": "standard", "total_max_attempts": attempts}
    return Config(connect_timeout=1, read_timeout=read_timeout, retries=retries, **options)


def aws_client(service: str, config: Config, endpoint_url: str | None = None) -> Any:
    """Make a client with the region and credentials of the environment.

    Args:
        service: the name of the service in AWS, such as `sqs`.
        config: the configuration; see `fail_fast_config`.
        endpoint_url: the endpoint of the service; by default that of the environment.
    """
    session = get_session()
    # Each client has its own session. They share only the descriptions of the services, which are read once.
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    config = config.merge(Config(user_agent=_user_agent(session)))
    return session.create_client(service, config=config, endpoint_url=endpoint_url)


def _user_agent(session: Session) -> str:
    """Return the User-Agent. Without it botocore builds one twice for each call, a sixth of the work of a call."""
    app = session.get_config_variable("user_agent_appid")
    return f"{session.user_agent()} app/{app}" if app else session.user_agent()
