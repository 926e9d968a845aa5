"""E-mails."""

from typing import Any

from penstock import accepted
from penstock.producer.http.api import HttpApi
from shared.intents import EmailRequested

api = HttpApi()


@api.post("/emails")
def request_email() -> dict[str, Any]:
    """Request an e-mail."""
    return accepted(api.emit(api.intent(EmailRequested)))


handler = api.resolve
