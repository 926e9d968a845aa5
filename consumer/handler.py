"""The handler of the drain: it takes SQS events and returns partial batch responses."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from consumer.writes import drain

copy_config_to_registered_loggers(Logger(), include={"penstock"})

handler = drain.handler
