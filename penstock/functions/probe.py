"""The entry point of the Lambda function `probe`: it enables the drain again when the database is healthy."""

from penstock.consumer import Probe
from penstock.functions.loggers import configure_loggers

configure_loggers()

handler = Probe().handler
