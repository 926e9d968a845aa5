"""The entry point of the Lambda function `migrate`, for a service with the usual names of modules and folders."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from penstock.functions.migration import Migration

copy_config_to_registered_loggers(Logger(), include={"penstock"})

handler = Migration().handler
