"""The drain's handler: SQS events in, partial batch responses out."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from consumer.writes import drain

copy_config_to_registered_loggers(Logger(), include={"penstock"})

handler = drain.handler
