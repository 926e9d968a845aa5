"""Clients of AWS's services.

They are botocore's, as boto3 makes them, without boto3: its import brings S3's transfers along.
"""

from functools import cache
from typing import Any

from botocore.config import Config
from botocore.loaders import create_loader
from botocore.session import Session, get_session

_loader = cache(create_loader)


def in_haste(*, read_timeout: float, attempts: int = 2, **further: Any) -> Config:
    """Configure a client that gives up within seconds: somebody is waiting for an answer.

    Args:
        read_timeout: for how many seconds an answer is waited for; a connection is waited for one second.
        attempts: how often a call is tried in all, by botocore itself.
        further: more of `botocore.config.Config`.
    """
    retries: Any = {"mode": "standard", "total_max_attempts": attempts}
    return Config(connect_timeout=1, read_timeout=read_timeout, retries=retries, **further)


def aws_client(service: str, config: Config, endpoint_url: str | None = None) -> Any:
    """Make a client with the environment's region and credentials.

    Args:
        service: AWS's name of the service, such as `sqs`.
        config: how it is to behave; see `in_haste`.
        endpoint_url: where the service is, if not where the environment says.
    """
    session = get_session()
    # A client's own session shares no state but this: what the services look like, read from files once.
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    named = config.merge(Config(user_agent=_user_agent(session)))
    return session.create_client(service, config=named, endpoint_url=endpoint_url)


def _user_agent(session: Session) -> str:
    """Say who calls; unless it is told, botocore puts that together twice for each call, a sixth of its work."""
    app = session.get_config_variable("user_agent_appid")
    return f"{session.user_agent()} app/{app}" if app else session.user_agent()
