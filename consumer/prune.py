"""The pruning's handler: has the ledger and the tombstones forget what is too old."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from penstock.consumer import Prune

copy_config_to_registered_loggers(Logger(), include={"penstock"})

handler = Prune().handler
