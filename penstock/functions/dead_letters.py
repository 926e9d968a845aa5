"""The entry point of the Lambda function `dead-letters`: its caller needs no permission on a queue."""

from penstock.deadletters.function.handler import DeadLetters
from penstock.functions.loggers import configure_loggers

configure_loggers()

handler = DeadLetters().handler
