"""The entry point of the Lambda function `prune`: it deletes old rows of the ledger and old tombstones."""

from penstock.consumer import Prune
from penstock.functions.loggers import configure_loggers

configure_loggers()

handler = Prune().handler
