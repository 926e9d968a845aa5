"""The handler of the pruning: it deletes old rows of the ledger and old tombstones."""

from aws_lambda_powertools import Logger
from aws_lambda_powertools.logging.utils import copy_config_to_registered_loggers

from penstock.consumer import Prune

copy_config_to_registered_loggers(Logger(), include={"penstock"})

handler = Prune().handler
