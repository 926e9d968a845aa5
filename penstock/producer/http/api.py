"""An HTTP API of handlers that emit, on Powertools' event handler.

    api = HttpApi()

    @api.post("/stock/<sku>/adjustments")
    def adjust(sku: str) -> dict[str, Any]:
        return accepted(api.emit(api.intent(StockAdjusted, sku=sku)))

    handler = api.resolve

Every error is answered as a problem document (RFC 9457).

A request goes to the handler of the route that API Gateway has chosen, `POST /stock/{sku}/adjustments` here, with
the values that API Gateway has read from the path.
"""

import base64
import binascii
import logging
import re
from collections.abc import Mapping
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar
from urllib.parse import unquote

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.exceptions import NotFoundError
from pydantic import ValidationError

from penstock.intents import InvalidReceipt, OutcomeExpired, OutcomeUnavailable, Receipt, WriteIntent
from penstock.producer import emitter
from penstock.producer.errors import IntentTooLarge, NotAcknowledged, ReceiptKeyUnavailable
from penstock.producer.http.batches import JSON, BatchRequest, read_items
from penstock.producer.http.bodies import BadRequest, field_errors, invalid
from penstock.producer.http.problems import problem
from penstock.producer.http.requests import (
    read_idempotency_key,
    read_intent,
    read_preferences,
    refuse_larger,
    seconds_to_wait,
)
from penstock.producer.http.responses import RETRY_AFTER_SECONDS
from penstock.producer.large import intent_limit
from penstock.settings import SecretUnavailable, Settings

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

_logger = logging.getLogger(__name__)

_MARGIN_SECONDS = 3
"""Left of a function's time when it stops waiting, for a last look and the answer."""


class NoTenant(Exception):
    """The caller is verified, and the token names no tenant."""


class HttpApi(APIGatewayHttpResolver):
    """Powertools' resolver for API Gateway's HTTP APIs, with this framework's requests and problems."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Make it; settings are read from the environment at the first request unless given here."""
        super().__init__()
        self._given_settings = settings
        handlers = {
            BadRequest: _bad_request,
            ValidationError: _invalid,
            IntentTooLarge: _too_large,
            NoTenant: _no_tenant,
            NotAcknowledged: _not_kept,
            ReceiptKeyUnavailable: _not_ready,
            SecretUnavailable: _not_ready,
            NotFoundError: _not_found,
            InvalidReceipt: _not_found,
            OutcomeExpired: _gone,
            OutcomeUnavailable: _unavailable,
            Exception: _broken,
        }
        for error, handler in handlers.items():
            self.exception_handler(error)(_responding(handler))

    def resolve(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer a request; one with the method HEAD without a body (RFC 9110, section 9.3.2)."""
        answered: dict[str, Any] = super().resolve(event, context)
        if event.get("requestContext", {}).get("http", {}).get("method") == "HEAD":
            answered["body"] = ""
        return answered

    def intent(self, intent: type[I], **path: str) -> I:
        """Make an intent of the current request's body and of parameters of its path.

        Raises:
            BadRequest: the request cannot be made into one; answered with 400, 413 or 422.
        """
        limits = {"limit": intent_limit(self._settings), "nesting_limit": self._settings.nesting_limit}
        return read_intent(intent, self._body(), path, **limits)

    def emit(self, intent: WriteIntent) -> Receipt:
        """Emit an intent under the current request's idempotency key and tenant; see `penstock.emit`.

        Raises:
            BadRequest: the idempotency key cannot be used.
            NoTenant: the service has tenants, and the caller's token names none.
            penstock.producer.EmitError: it was not kept.
        """
        return emitter.emit(intent, idempotency_key=self.idempotency_key, tenant=self.tenant)

    def batch(self, *kinds: type[WriteIntent]) -> dict[str, Any]:
        """Emit the intents of a batch, and answer for each of them.

        Args:
            kinds: which may come this way; an item names one in `type`.

        Raises:
            BadRequest: the request as a whole is no batch; answered with 400, 413 or 415. Nothing was sent.
            ReceiptKeyUnavailable: no receipt can be signed; nothing was sent.
        """
        media_type = self._header("content-type") or JSON
        items = read_items(self._body(), media_type.partition(";")[0].strip().lower(), self._settings.batch_limit)
        tenant = self.tenant
        batch = BatchRequest(kinds, nesting_limit=self._settings.nesting_limit, key=self.idempotency_key)
        for item in items:
            batch.take(item)
        batch.emit(tenant)
        return batch.answer()

    @property
    def idempotency_key(self) -> str | None:
        """The current request's `Idempotency-Key`, or None.

        Raises:
            BadRequest: it is empty, too long, or holds what does not print.
        """
        return read_idempotency_key(self._header("idempotency-key"))

    @property
    def tenant(self) -> str | None:
        """The tenant that the caller's verified token names; None where the service has no tenants.

        API Gateway has verified the token: the claim comes from its authorizer, never from a header.

        Raises:
            NoTenant: the service has tenants, and the token names none.
        """
        claim = self._settings.tenant_claim
        if not claim:
            return None
        tenant = _claims(self.current_event.raw_event).get(claim)
        if not isinstance(tenant, str) or not tenant:
            raise NoTenant
        return tenant

    @property
    def seconds_to_wait(self) -> int:
        """How long the caller would wait for an outcome, as far as the settings and the function's time allow."""
        left = self.lambda_context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
        return max(0, min(seconds_to_wait(self._preferences), self._settings.wait_limit, int(left)))

    @cached_property
    def _settings(self) -> Settings:
        return self._given_settings or Settings.from_environment()

    @property
    def _preferences(self) -> dict[str, str]:
        return read_preferences(self._header("prefer"))

    def _header(self, name: str) -> str | None:
        # Powertools copies all headers whenever it is asked for them.
        headers = self.current_event.get("headers") or {}
        return next((value for given, value in headers.items() if given.lower() == name), None)

    def _body(self) -> bytes:
        event = self.current_event
        try:
            body = event.body or ""
            raw = base64.b64decode(body) if event.is_base64_encoded else body.encode()
        except (binascii.Error, UnicodeEncodeError) as error:
            raise BadRequest("not-json", "The body must be JSON, in UTF-8.") from error
        refuse_larger(len(raw), self._settings.body_limit)
        return raw

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
        if not (isinstance(result, dict) and "statusCode" in result):
            return super()._to_response(result)
        response = _response(result)
        if response.status_code == HTTPStatus.ACCEPTED and "respond-async" in self._preferences:
            response.headers["Preference-Applied"] = "respond-async"
        if response.status_code == HTTPStatus.OK and self._has(response.headers.get("ETag")):
            return Response(HTTPStatus.NOT_MODIFIED.value, body="", headers=response.headers)
        return response

    def _has(self, tag: Any) -> bool:
        """Tell whether the caller has an answer of this entity tag already (RFC 9110, section 13.1.2)."""
        given = [one.strip().removeprefix("W/") for one in (self._header("if-none-match") or "").split(",")]
        return tag is not None and (tag in given or given == ["*"])


def _percent(value: str) -> str:
    """Finish the decoding of a path's value: some platforms leave the escape `%25` as it is, that one alone."""
    return value.replace("%25", "%")


def _claims(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what API Gateway's authorizer says of the caller: claims, a function's context, or an identity."""
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    jwt = authorizer.get("jwt") or {}
    return jwt.get("claims") or authorizer.get("lambda") or authorizer.get("iam") or {}


def _response(answer: dict[str, Any]) -> Response[str]:
    headers = dict(answer["headers"])
    return Response(answer["statusCode"], headers.pop("Content-Type"), answer["body"], headers)


def _responding(handler: Any) -> Any:
    return lambda error: _response(handler(error))


def _bad_request(error: BadRequest) -> dict[str, Any]:
    return problem(error.name, str(error), errors=error.errors)


def _invalid(error: ValidationError) -> dict[str, Any]:
    return _bad_request(invalid(field_errors(error)))


def _too_large(error: IntentTooLarge) -> dict[str, Any]:
    return problem("too-large", f"{error}.")


def _no_tenant(_error: NoTenant) -> dict[str, Any]:
    return problem("no-tenant", "The token names no tenant.")


def _not_ready(error: ReceiptKeyUnavailable | SecretUnavailable) -> dict[str, Any]:
    _logger.error("not ready: %s", error, extra={"action": "request_not_ready"})
    detail = (
        "The service cannot read a secret of its own at the moment. Nothing was written; send the request again."
    )
    return problem("not-ready", detail, headers=_RETRY)


def _not_kept(error: NotAcknowledged) -> dict[str, Any]:
    _logger.error("not kept: %s", error, extra={"action": "emit_not_kept"})
    return problem("not-kept", "Send the request again, with the same Idempotency-Key.", headers=_RETRY)


def _not_found(_error: NotFoundError | InvalidReceipt) -> dict[str, Any]:
    return problem("not-found", "No route, or no write, is known by this.")


def _gone(_error: OutcomeExpired) -> dict[str, Any]:
    return problem("gone", "The write was made too long ago: what became of it is not kept any more.")


def _unavailable(_error: OutcomeUnavailable) -> dict[str, Any]:
    return problem("outcome-unavailable", "The write itself is safe. Ask again.", headers=_RETRY)


def _broken(error: Exception) -> dict[str, Any]:
    # The class alone: the text of an unknown error may hold values of the request.
    _logger.error("unexpected %s", type(error).__name__, extra={"action": "request_failed"})
    return problem(
        "internal",
        "Whether something was written is not known. The same Idempotency-Key makes it safe to send again.",
    )


_RETRY = {"Retry-After": str(RETRY_AFTER_SECONDS)}
