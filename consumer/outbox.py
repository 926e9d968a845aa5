"""The outbox: a table of e-mails for the process that sends them."""

from collections.abc import Sequence

from sqlalchemy import Connection, insert

from consumer.tables import outbox
from shared.intents import EmailRequested


def request_emails(connection: Connection, intents: Sequence[EmailRequested]) -> None:
    """Insert each e-mail into the outbox."""
    rows = [
        {
            "intent_id": intent.intent_id,
            "recipient": intent.to,
            "subject": intent.subject,
            "body": intent.body,
            "requested_at": intent.intent_time,
        }
        for intent in intents
    ]
    connection.execute(insert(outbox), rows)
