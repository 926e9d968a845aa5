"""The handler of the probe: it enables the drain again when the database is healthy."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from penstock.consumer import Probe

copy_config_to_registered_loggers(Logger(), include={"penstock"})

handler = Probe().handler
