"""An HTTP API of handlers that emit, on Powertools' event handler.

    api = HttpApi()

    @api.post("/stock/<sku>/adjustments")
    def adjust(sku: str) -> dict[str, Any]:
        return accepted(emit(api.intent(StockAdjusted, sku=sku), idempotency_key=api.idempotency_key))

    handler = api.resolve

Every error is answered as a problem document (RFC 9457).

A request goes to the handler of the route that API Gateway has chosen, `POST /stock/{sku}/adjustments` here, with
the values that API Gateway has read from the path.
"""

import base64
import binascii
import logging
import re
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from pydantic import ValidationError

from penstock.intents import ForgedReceipt, OutcomeUnavailable, WriteIntent
from penstock.producer.answers import RETRY_AFTER_SECONDS, problem
from penstock.producer.errors import IntentTooLarge, NotKept, ReceiptKeyUnavailable
from penstock.producer.requests import BadRequest, field_errors, invalid, read_idempotency_key, read_intent
from penstock.settings import SecretUnavailable

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
            ReceiptKeyUnavailable: _not_ready,
            SecretUnavailable: _not_ready,
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

    def _resolve(self) -> Any:
        """Go by the route that API Gateway names, or by the path where it names none of ours (`$default`).

        Powertools alone goes by the path, in which API Gateway has decoded characters that it does not expect.
        """
        event = self.current_event
        for route in self._static_routes + self._dynamic_routes:
            if event.get("routeKey") == f"{route.method} {route.openapi_path}":
                self.context.update(_route=route, _path=event.raw_path)
                values = {name: _percent(value) for name, value in event.path_parameters.items()}
                return self._call_route(route, values)
        return super()._resolve()

    def _convert_matches_into_route_keys(self, match: re.Match[str]) -> dict[str, str]:
        """Decode what was found in a path; what is no UTF-8 becomes a lone surrogate, which is refused."""
        return {name: unquote(text, errors="surrogateescape") for name, text in match.groupdict().items()}

    def _to_response(self, result: Any) -> Any:
        """Take an answer of this framework as it is, beside what Powertools itself takes."""
        return (
            _response(result)
            if isinstance(result, dict) and "statusCode" in result
            else super()._to_response(result)
        )


def _percent(value: str) -> str:
    """Finish the decoding of a path's value: some platforms leave the escape `%25` as it is, that one alone."""
    return value.replace("%25", "%")


def _response(answer: dict[str, Any]) -> Response[str]:
    headers = dict(answer["headers"])
    return Response(answer["statusCode"], headers.pop("Content-Type"), answer["body"], headers)


def _responding(handler: Any) -> Any:
    return lambda error: _response(handler(error))


def _bad_request(error: BadRequest) -> dict[str, Any]:
    return problem(error.status, error.name, str(error), errors=error.errors)


def _invalid(error: ValidationError) -> dict[str, Any]:
    return _bad_request(invalid(field_errors(error)))


def _too_large(error: IntentTooLarge) -> dict[str, Any]:
    return problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "too-large", f"{error}.")


def _not_ready(error: ReceiptKeyUnavailable | SecretUnavailable) -> dict[str, Any]:
    _logger.error("not ready: %s", error, extra={"action": "request_not_ready"})
    retry = {"Retry-After": str(RETRY_AFTER_SECONDS)}
    detail = (
        "The service cannot read a secret of its own at the moment. Nothing was written; send the request again."
    )
    return problem(HTTPStatus.SERVICE_UNAVAILABLE, "not-ready", detail, headers=retry)


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
