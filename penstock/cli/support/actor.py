"""The name of the operator, for the records of what operators do."""

import getpass
import os

from botocore.exceptions import BotoCoreError, ClientError

from penstock.cli.support.stage import Stage


def actor(stage: Stage) -> str:
    """Return the caller's name in AWS, such as `user/alice`, or the local user name if AWS does not answer."""
    try:
        # GetCallerIdentity needs no permission (AWS STS API Reference).
        arn: str = stage.client("sts").get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError):
        return _local_user()
    return arn.split(":", 5)[-1]


def _local_user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container may run under a user id without a name.
        return f"user {os.getuid()}"
