"""The entry point of the Lambda function `migrate`.

`PENSTOCK_DRAIN` and `PENSTOCK_MIGRATIONS` name the service's drain and its folder of migrations.
"""

from penstock.functions.loggers import configure_loggers
from penstock.functions.migration import Migration

configure_loggers()

handler = Migration().handler
