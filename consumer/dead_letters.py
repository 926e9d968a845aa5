"""The handler for dead letters: a caller needs permission to invoke it, and none on a queue."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from penstock.deadletters.function.handler import DeadLetters

copy_config_to_registered_loggers(Logger(), include={"penstock"})

handler = DeadLetters().handler
