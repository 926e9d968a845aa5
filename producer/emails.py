"""E-mails."""

from typing import Any

from penstock import accepted
from penstock.producer.http.api import HttpApi
from shared.intents import EmailRequested

api = HttpApi()


@api.post("/emails")
def request_email() -> dict[str, Any]:
    """Ask for an e-mail to be sent."""
    return accepted(api.emit(api.intent(EmailRequested)))


handler = api.resolve
