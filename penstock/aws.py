"""Clients of AWS services.

They are the clients of botocore that boto3 makes too. boto3 itself is not used: its import loads the S3 transfers.
"""

from functools import cache
from typing import Any, Final

from botocore.config import Config
from botocore.loaders import Loader, create_loader
from botocore.session import Session, get_session

_asked: Final[set[str]] = set()


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
    _asked.add(service)
    session.register_component("data_loader", _loader(session.get_config_variable("data_path")))
    config = config.merge(Config(user_agent=_user_agent(session)))
    return session.create_client(service, config=config, endpoint_url=endpoint_url)


@cache
def _loader(data_path: str | None) -> Loader:
    """Return a loader of descriptions that looks for no other service than those that are asked for.

    Before it makes a first client, botocore looks twice through the folders of all 400 services, to name them in
    an error about an unknown one. That takes a third of the time.
    """
    loader = create_loader(data_path)
    loader.list_available_services = lambda type_name: sorted(_asked)  # type: ignore[method-assign]  # noqa: ARG005
    return loader


def _user_agent(session: Session) -> str:
    """Return the User-Agent. Without it botocore builds one twice for each call, a sixth of the work of a call."""
    app = session.get_config_variable("user_agent_appid")
    return f"{session.user_agent()} app/{app}" if app else session.user_agent()
