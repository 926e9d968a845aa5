"""An HTTP API of handlers that emit, on Powertools' event handler.

    api = HttpApi()

    @api.post("/stock/<sku>/adjustments")
    def adjust(sku: str) -> dict[str, Any]:
        return accepted(emit(api.intent(StockAdjusted, sku=sku), idempotency_key=api.idempotency_key))

    handler = api.resolve

Every error is answered as a problem document (RFC 9457).
"""

import base64
import binascii
import logging
from http import HTTPStatus
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from pydantic import ValidationError

from penstock.intents import ForgedReceipt, OutcomeUnavailable, WriteIntent
from penstock.producer.answers import RETRY_AFTER_SECONDS, problem
from penstock.producer.errors import IntentTooLarge, NotKept
from penstock.producer.requests import BadRequest, field_errors, read_idempotency_key, read_intent

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

_logger = logging.getLogger(__name__)


class HttpApi(APIGatewayHttpResolver):
    """Powertools' resolver for API Gateway's HTTP APIs, with this framework's requests and problems."""

    def __init__(self) -> None:
        super().__init__()
        handlers = {
            BadRequest: _bad_request,
            ValidationError: _invalid,
            IntentTooLarge: _too_large,
            NotKept: _not_kept,
            NotFoundError: _not_found,
            ForgedReceipt: _not_found,
            OutcomeUnavailable: _unavailable,
            Exception: _broken,
        }
        for error, handler in handlers.items():
            self.exception_handler(error)(_responding(handler))

    def intent(self, intent: type[I], **path: str) -> I:
        """Make an intent of the current request's body and of parameters of its path.

        Raises:
            BadRequest: the request cannot be made into one; answered with 400, 413 or 422.
        """
        event = self.current_event
        try:
            body = event.body or ""
            raw = base64.b64decode(body) if event.is_base64_encoded else body.encode()
        except (binascii.Error, UnicodeEncodeError) as error:
            raise BadRequest(HTTPStatus.BAD_REQUEST, "not-json", "The body must be JSON, in UTF-8.") from error
        return read_intent(intent, raw, path)

    @property
    def idempotency_key(self) -> str | None:
        """The current request's `Idempotency-Key`, or None.

        Raises:
            BadRequest: it is empty or too long.
        """
        return read_idempotency_key(self.current_event.headers.get("idempotency-key"))

    def _to_response(self, result: Any) -> Any:
        """Take an answer of this framework as it is, beside what Powertools itself takes."""
        return (
            _response(result)
            if isinstance(result, dict) and "statusCode" in result
            else super()._to_response(result)
        )


def _response(answer: dict[str, Any]) -> Response[str]:
    headers = dict(answer["headers"])
    return Response(answer["statusCode"], headers.pop("Content-Type"), answer["body"], headers)


def _responding(handler: Any) -> Any:
    return lambda error: _response(handler(error))


def _bad_request(error: BadRequest) -> dict[str, Any]:
    return problem(error.status, error.name, str(error), errors=error.errors)


def _invalid(error: ValidationError) -> dict[str, Any]:
    errors = field_errors(error)
    return problem(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid-fields", "Some fields are wrong.", errors=errors)


def _too_large(error: IntentTooLarge) -> dict[str, Any]:
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"{error}.")


def _not_kept(error: NotKept) -> dict[str, Any]:
    _logger.error("not kept: %s", error, extra={"action": "emit_not_kept"})
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    detail = "The write was not acknowledged by the queue. Send the request again, with the same Idempotency-Key."
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-kept", detail, headers=retry)


def _not_found(_error: NotFoundError | ForgedReceipt) -> dict[str, Any]:
    return problem(HTTPStatus.NOT_FOUND, "not-found", "There is nothing here.")


def _unavailable(_error: OutcomeUnavailable) -> dict[str, Any]:
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    detail = "The outcome cannot be looked up at the moment; the write itself is safe."
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "outcome-unavailable", detail, headers=retry)


def _broken(error: Exception) -> dict[str, Any]:
    # The class alone: the text of an unknown error may hold values of the request.
    _logger.error("unexpected %s", type(error).__name__, extra={"action": "request_failed"})
    return problem(HTTPStatus.INTERNAL_SERVER_ERROR, "internal", "Something is wrong on this side.")
