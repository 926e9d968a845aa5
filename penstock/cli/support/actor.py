"""Who is at the command line, for what is written down of operators' doings."""

import getpass
import os

from botocore.exceptions import BotoCoreError, ClientError

from penstock.cli.support.stage import Stage


def actor(stage: Stage) -> str:
    """Name the caller as AWS knows them, such as `user/alice`; by the name on this machine if AWS does not say."""
    try:
        # It needs no permission (IAM User Guide, GetCallerIdentity).
        arn: str = stage.client("sts").get_caller_identity()["Arn"]
    except (BotoCoreError, ClientError):
        return _user()
    return arn.split(":", 5)[-1]


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # A container may run as a number without a name.
        return f"user {os.getuid()}"
