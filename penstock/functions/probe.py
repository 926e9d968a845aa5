"""The entry point of the Lambda function `probe`: it enables the drain again when the database is healthy.

The hooks are those of the service's drain, which `PENSTOCK_DRAIN` names. Its module is imported only when there is
something to tell, so that a module that cannot be imported keeps the drain off no longer.
"""

from penstock.consumer import Probe
from penstock.functions.loggers import configure_loggers
from penstock.functions.service import drain_target, load_drain

configure_loggers()

handler = Probe(hooks=lambda: load_drain(drain_target()).hooks).handler
