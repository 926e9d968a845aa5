"""The problem document that each error is answered with."""

import logging
from collections.abc import Callable, Mapping
from typing import Any, Final

from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from pydantic import ValidationError

from penstock.diagnosis import frames_of, where
from penstock.intents import InvalidReceipt, OutcomeExpired, OutcomeUnavailable
from penstock.producer.errors import EncryptionUnavailable, IntentTooLarge, NotAcknowledged, ReceiptKeyUnavailable
from penstock.producer.http.bodies import BadRequest, field_errors, invalid
from penstock.producer.http.problems import problem
from penstock.producer.http.responses import RETRY_LATER
from penstock.settings import SecretUnavailable, SettingsError

_logger = logging.getLogger(__name__)


class NoTenant(Exception):
    """The caller's token was verified, but names no tenant."""


def _bad_request(error: BadRequest) -> dict[str, Any]:
    return problem(error.name, str(error), errors=error.errors)


def _invalid(error: ValidationError) -> dict[str, Any]:
    return _bad_request(invalid(field_errors(error)))


def _too_large(error: IntentTooLarge) -> dict[str, Any]:
    return problem("too-large", f"{error}.")


def _no_tenant(_error: NoTenant) -> dict[str, Any]:
    return problem("no-tenant", "The token names no tenant.")


def _not_ready(error: EncryptionUnavailable | ReceiptKeyUnavailable | SecretUnavailable) -> dict[str, Any]:
    _logger.error("not ready: %s", error, extra={"action": "request_not_ready"})
    detail = "The service cannot use one of its keys at the moment. Nothing was written. Send the request again."
    return problem("not-ready", detail, headers=RETRY_LATER)


def _not_acknowledged(error: NotAcknowledged) -> dict[str, Any]:
    _logger.error("not acknowledged: %s", error, extra={"action": "emit_not_kept"})
    return problem("not-kept", "Send the request again, with the same Idempotency-Key.", headers=RETRY_LATER)


def _not_found(_error: NotFoundError | InvalidReceipt) -> dict[str, Any]:
    return problem("not-found", "There is no such route or write.")


def _gone(_error: OutcomeExpired) -> dict[str, Any]:
    return problem("gone", "The write is too old: its outcome is no longer stored.")


def _outcome_unavailable(_error: OutcomeUnavailable) -> dict[str, Any]:
    return problem("outcome-unavailable", "The write itself is safe. Ask again.", headers=RETRY_LATER)


def unexpected(error: Exception, route: str) -> dict[str, Any]:
    """Log an error that no other handler knows, with its route and frames, and return the proxy response.

    The text of an unknown error may hold values of the request: only that of a wrong setting is logged.
    """
    cause = str(error) if isinstance(error, SettingsError) else where(error)
    extra = {"action": "request_failed", "route": route, "frames": frames_of(error)}
    _logger.error("unexpected, in %s: %s", route, cause, extra=extra)
    detail = (
        "It is unknown whether anything was written. With the same Idempotency-Key it is safe to send it again."
    )
    return problem("internal", detail)


ERROR_HANDLERS: Final[Mapping[type[Exception], Callable[[Any], dict[str, Any]]]] = {
    BadRequest: _bad_request,
    ValidationError: _invalid,
    IntentTooLarge: _too_large,
    NoTenant: _no_tenant,
    NotAcknowledged: _not_acknowledged,
    EncryptionUnavailable: _not_ready,
    ReceiptKeyUnavailable: _not_ready,
    SecretUnavailable: _not_ready,
    NotFoundError: _not_found,
    InvalidReceipt: _not_found,
    OutcomeExpired: _gone,
    OutcomeUnavailable: _outcome_unavailable,
}
"""The handler of each known error class; each returns a proxy response."""
