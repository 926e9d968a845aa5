"""The entry point of the Lambda function `events`: it sends the events of the outbox to an event bus."""

from penstock.consumer import EventSender
from penstock.functions.loggers import configure_loggers

configure_loggers()

handler = EventSender().handler
