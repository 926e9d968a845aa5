"""The log of the entry points: Penstock's own loggers write as Powertools does, one JSON object per line."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers


def configure_loggers() -> None:
    """Give Penstock's loggers the level and the form of the Powertools logger of the function."""
    copy_config_to_registered_loggers(Logger(), include={"penstock"})
