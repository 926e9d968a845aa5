"""An HTTP API of handlers that emit, on Powertools' event handler.

    api = HttpApi()

    @api.post("/stock/<sku>/adjustments")
    def adjust(sku: str) -> dict[str, Any]:
        return accepted(api.emit(api.intent(StockAdjusted, sku=sku)))

    handler = api.resolve

Every error is answered with a problem document (RFC 9457).

A request goes to the handler of the route that API Gateway chose, here `POST /stock/{sku}/adjustments`, with the
parameters that API Gateway has read from the path.
"""

import base64
import binascii
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import cached_property
from http import HTTPStatus
from typing import Any, TypeVar

from aws_lambda_powertools.event_handler import Response

from penstock.intents import Receipt, WriteIntent
from penstock.metrics.recording import recording
from penstock.producer import emitter
from penstock.producer.http.batches import JSON, BatchRequest, read_items
from penstock.producer.http.bodies import BadRequest
from penstock.producer.http.error_handlers import ERROR_HANDLERS, NoTenant, unexpected
from penstock.producer.http.requests import (
    check_size,
    read_idempotency_key,
    read_intent,
    read_preferences,
    seconds_to_wait,
)
from penstock.producer.http.routing import RouteKeyResolver, response_of
from penstock.producer.large import intent_limit
from penstock.settings import Settings

I = TypeVar("I", bound=WriteIntent)  # noqa: E741

_MARGIN_SECONDS = 3
"""Of a function's remaining time, what is kept for a last look at the outcome and for the answer."""


class HttpApi(RouteKeyResolver):
    """Powertools' resolver for API Gateway's HTTP APIs, with this framework's requests and problem documents."""

    def __init__(self, settings: Settings | None = None) -> None:
        """Make an API.

        Args:
            settings: the settings; by default they are read from the environment at the first request.
        """
        super().__init__()
        self._given_settings = settings
        for error, handler in ERROR_HANDLERS.items():
            self.exception_handler(error)(lambda raised, handler=handler: response_of(handler(raised)))
        self.exception_handler(Exception)(lambda raised: response_of(unexpected(raised, self._route_key)))

    def resolve(self, event: Any, context: Any) -> dict[str, Any]:
        """Answer a request. The answer to a HEAD request has no body (RFC 9110, section 9.3.2)."""
        with recording():  # What the handler emits is printed in one line.
            answer: dict[str, Any] = super().resolve(event, context)
        if event.get("requestContext", {}).get("http", {}).get("method") == "HEAD":
            answer["body"] = ""
        return answer

    def intent(self, intent: type[I], **path: str) -> I:
        """Make an intent from the current request's body and from parameters of its path.

        Args:
            intent: the class of the intent.
            **path: the fields that the path gives.

        Raises:
            BadRequest: the request does not make an intent of this class; answered with 400, 413 or 422.
        """
        limits = {"limit": intent_limit(self._settings), "nesting_limit": self._settings.nesting_limit}
        return read_intent(intent, self._body(), path, **limits)

    def emit(
        self, intent: WriteIntent, *, expires_at: datetime | None = None, delay: timedelta | None = None
    ) -> Receipt:
        """Emit an intent with the current request's idempotency key and tenant; see `penstock.emit`.

        Args:
            intent: the intent.
            expires_at: when it expires, with a time zone; None if it does not.
            delay: how long SQS hides it from the drain at first.

        Raises:
            BadRequest: the idempotency key cannot be used.
            NoTenant: the service has tenants, and the caller's token names none.
            penstock.producer.EmitError: the intent was not emitted.
        """
        return emitter.emit(
            intent, idempotency_key=self.idempotency_key, tenant=self.tenant, expires_at=expires_at, delay=delay
        )

    def batch(self, *kinds: type[WriteIntent]) -> dict[str, Any]:
        """Emit the intents of a batch, and answer with a result for each of them.

        Args:
            kinds: the intent classes that a batch may hold. An item names one of their kinds in `type`.

        Raises:
            BadRequest: the request as a whole is not a batch; answered with 400, 413 or 415. Nothing was sent.
            ReceiptKeyUnavailable: no receipt can be signed. Nothing was sent.
            EncryptionUnavailable: a `Sensitive` field cannot be encrypted. Nothing was sent.
        """
        media_type = self._header("content-type") or JSON
        items = read_items(self._body(), media_type.partition(";")[0].strip().lower(), self._settings.batch_limit)
        tenant = self.tenant
        batch = BatchRequest(kinds, nesting_limit=self._settings.nesting_limit, key=self.idempotency_key)
        for item in items:
            batch.add(item)
        batch.emit(tenant)
        return batch.answer()

    @property
    def idempotency_key(self) -> str | None:
        """The current request's `Idempotency-Key`, or None.

        Raises:
            BadRequest: it is empty, too long, or has characters that are not printable ASCII.
        """
        return read_idempotency_key(self._header("idempotency-key"))

    @property
    def tenant(self) -> str | None:
        """The tenant that the caller's verified token names; None if the service has no tenants.

        The claim comes from API Gateway's authorizer, which has verified the token. It never comes from a header.

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
        """The seconds that the caller asks to wait for an outcome, cut to the settings and the remaining time."""
        left = self.lambda_context.get_remaining_time_in_millis() / 1000 - _MARGIN_SECONDS
        return max(0, min(seconds_to_wait(self._preferences), self._settings.wait_limit, int(left)))

    def finish_response(self, response: Response[str]) -> Response[str]:
        """Apply the request's preference for 202, and answer 304 if the caller has the current entity tag."""
        if response.status_code == HTTPStatus.ACCEPTED and "respond-async" in self._preferences:
            response.headers["Preference-Applied"] = "respond-async"
        if response.status_code == HTTPStatus.OK and self._matches_etag(response.headers.get("ETag")):
            return Response(HTTPStatus.NOT_MODIFIED.value, body="", headers=response.headers)
        return response

    @cached_property
    def _settings(self) -> Settings:
        return self._given_settings or Settings.from_environment()

    @property
    def _route_key(self) -> str:
        """The key of the route that API Gateway chose. The path itself may hold values."""
        return str(self.current_event.get("routeKey"))

    @property
    def _preferences(self) -> dict[str, str]:
        return read_preferences(self._header("prefer"))

    def _header(self, name: str) -> str | None:
        # Powertools' own property copies all headers at each access.
        headers = self.current_event.get("headers") or {}
        return next((value for given, value in headers.items() if given.lower() == name), None)

    def _body(self) -> bytes:
        event = self.current_event
        try:
            body = event.body or ""
            raw = base64.b64decode(body) if event.is_base64_encoded else body.encode()
        except (binascii.Error, UnicodeEncodeError) as error:
            raise BadRequest("not-json", "The body must be JSON, in UTF-8.") from error
        check_size(len(raw), self._settings.body_limit)
        return raw

    def _matches_etag(self, etag: Any) -> bool:
        """Return whether `If-None-Match` has this entity tag (RFC 9110, section 13.1.2)."""
        given = [one.strip().removeprefix("W/") for one in (self._header("if-none-match") or "").split(",")]
        return etag is not None and (etag in given or given == ["*"])


def _claims(event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what the authorizer says of the caller: a JWT's claims, a function's context, or an IAM identity."""
    authorizer = event.get("requestContext", {}).get("authorizer") or {}
    jwt = authorizer.get("jwt") or {}
    return jwt.get("claims") or authorizer.get("lambda") or authorizer.get("iam") or {}
