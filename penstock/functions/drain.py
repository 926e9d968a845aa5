"""The entry point of the Lambda function `drain`: it takes SQS events and returns partial batch responses.

`PENSTOCK_DRAIN` names the service's drain, as MODULE:ATTRIBUTE (`consumer.writes:drain` by default). It is
imported when the function starts, so that a binding that cannot work is an error of the start.
"""

from penstock.functions.loggers import configure_loggers
from penstock.functions.service import drain_target, load_drain

configure_loggers()

handler = load_drain(drain_target()).handler
