"""Several intents in one request: each is taken or refused by itself, and answered for by itself."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError

from penstock.intents import Receipt, WriteIntent, kind_of
from penstock.producer import emitter
from penstock.producer.errors import IntentTooLarge, NotAcknowledged
from penstock.producer.http.bodies import BadRequest, check, field_errors, invalid, parse, wrong_field
from penstock.producer.http.problems import document, problem
from penstock.producer.http.requests import make_intent, usable_key
from penstock.producer.http.responses import RETRY_AFTER_SECONDS, answer, kept

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"

_NOT_KEPT = "The write was not acknowledged by the queue. Send it again, with the same idempotency key."
_REUSED = "An earlier item of this batch has the same idempotency key and another payload."


@dataclass(slots=True)
class BatchItem:
    """One item, and what is to be answered for it once that is known."""

    intent: WriteIntent
    key: str | None
    result: dict[str, Any] | None = None
    repeats: "BatchItem | None" = None


def read_items(body: bytes, media_type: str, limit: int) -> list[Any]:
    """Read the items of a batch: a JSON array of them, or one to a line.

    Args:
        body: the request's body.
        media_type: its media type, without parameters.
        limit: how many there may be.

    Raises:
        BadRequest: the body is no batch, or one of too many items.
    """
    if media_type == LINES:
        items = _lines(body, limit)
    elif media_type == JSON:
        items = parse(body)
    else:
        raise BadRequest("unsupported-media-type", f"A batch is {JSON} or {LINES}.")
    if not isinstance(items, list) or not items:
        raise BadRequest("bad-batch", "A batch must be a JSON array, or lines of JSON, with 1 item at least.")
    if len(items) > limit:
        raise BadRequest("too-large", f"The batch has more than the {limit:,} items that are allowed.")
    return items


def _lines(body: bytes, limit: int) -> list[Any]:
    # The last, empty line is no item, nor is any other: a line break at the end is usual (NDJSON, section 3.1).
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    return [parse(line, where=f"Line {number:,}") for number, line in lines[: limit + 1]]


class BatchRequest:
    """The items of one request, in order."""

    def __init__(self, kinds: Iterable[type[WriteIntent]], *, nesting_limit: int, key: str | None) -> None:
        """Take what the items are read with.

        Args:
            kinds: the classes that may come through here.
            nesting_limit: how deep an item may be nested.
            key: the request's own idempotency key, which gives each item without one its own.
        """
        self._kinds = {kind_of(intent): intent for intent in kinds}
        self._nesting_limit = nesting_limit
        self._key = key
        self._results: list[dict[str, Any] | BatchItem] = []
        self._first: dict[tuple[str, str], BatchItem] = {}

    def take(self, value: Any) -> None:
        """Read one more item; what is wrong with it is its own result."""
        try:
            item = self._item(value)
            self._compare(item)
            self._results.append(item)
        except BadRequest as error:
            self._results.append(_refused(error))

    def _item(self, value: Any) -> BatchItem:
        check(value, self._nesting_limit)
        if not isinstance(value, dict):
            raise BadRequest("not-an-object", "An item must be a JSON object.")
        missing = [name for name in ("type", "data") if name not in value]
        unknown = [name for name in value if name not in {"type", "data", "idempotencyKey"}]
        errors = [wrong_field(name, "missing", "Field required") for name in missing]
        errors += [wrong_field(name, "extra_forbidden", "Extra inputs are not permitted") for name in unknown]
        if errors:
            raise invalid(errors)
        intent = self._kinds.get(value["type"]) if isinstance(value["type"], str) else None
        if intent is None:
            raise BadRequest("unknown-kind", f"Here `type` is one of {', '.join(sorted(self._kinds))}.")
        return BatchItem(make_intent(intent, json.dumps(value["data"])), self._key_of(value))

    def _key_of(self, value: Mapping[str, Any]) -> str | None:
        if value.get("idempotencyKey") is not None:
            return usable_key(value["idempotencyKey"])
        return None if self._key is None else json.dumps([self._key, len(self._results)])

    def _compare(self, item: BatchItem) -> None:
        """Find an earlier item under the same key: the same again is one with it, anything else is refused."""
        if item.key is None:
            return
        first = self._first.setdefault((kind_of(item.intent), item.key), item)
        if first is item:
            return
        if first.intent != item.intent:
            raise BadRequest("idempotency-key-reused", _REUSED)
        item.repeats = first

    def emit(self, tenant: str | None) -> None:
        """Emit what was taken.

        Args:
            tenant: whose keys they are.

        Raises:
            ReceiptKeyUnavailable: no receipt can be signed; nothing was sent.
        """
        items = [result for result in self._results if isinstance(result, BatchItem) and not result.repeats]
        if items:
            _emit(items, tenant)

    def answer(self) -> dict[str, Any]:
        """Answer 202 if every item was kept, 207 if some were, 503 or 422 if none was."""
        results = [_result(result) for result in self._results]
        statuses = [result["status"] for result in results]
        count = statuses.count(HTTPStatus.ACCEPTED)
        body = {"kept": count, "refused": len(results) - count, "items": results}
        if count:
            status = HTTPStatus.ACCEPTED if count == len(results) else HTTPStatus.MULTI_STATUS
            return answer(status, body, {"Cache-Control": "no-store", **_RETRY})
        if HTTPStatus.SERVICE_UNAVAILABLE in statuses:
            return problem("not-kept", "Nothing was kept. Send the batch again.", more=body, headers=_RETRY)
        return problem("batch-refused", "Each item has its own problem.", more=body)


_RETRY = {"Retry-After": str(RETRY_AFTER_SECONDS)}


def _emit(items: Sequence[BatchItem], tenant: str | None) -> None:
    """Emit items, and give each its result; one that fits in no message is found by halving, before it is sent."""
    intents = [item.intent for item in items]
    # By identity: two items that are equal may have keys of their own.
    keys = {id(item.intent): item.key for item in items}
    try:
        sent = emitter.emit_many(intents, idempotency_key=lambda intent: keys[id(intent)], tenant=tenant)
        receipts: Mapping[int, Receipt] = dict(enumerate(sent))
    except NotAcknowledged as error:
        receipts = error.sent
    except (IntentTooLarge, ValidationError) as error:
        if len(items) == 1:
            items[0].result = _refused(_reason(error))
            return
        half = len(items) // 2
        _emit(items[:half], tenant)
        _emit(items[half:], tenant)
        return
    for index, item in enumerate(items):
        item.result = _kept(receipts[index]) if index in receipts else _problem("not-kept", _NOT_KEPT)


def _reason(error: IntentTooLarge | ValidationError) -> BadRequest:
    if isinstance(error, IntentTooLarge):
        return BadRequest("too-large", f"{error}.")
    return invalid(field_errors(error))


def _result(result: dict[str, Any] | BatchItem) -> dict[str, Any]:
    if isinstance(result, dict):
        return result
    if result.repeats:
        first = _result(result.repeats)
        return first | {"replayed": True} if "problem" not in first else first
    assert result.result is not None  # noqa: S101 (emit has given each its result)
    return result.result


def _kept(receipt: Receipt) -> dict[str, Any]:
    described = kept(receipt)
    return {"status": HTTPStatus.ACCEPTED.value, "id": described["id"], "links": described["links"]}


def _refused(error: BadRequest) -> dict[str, Any]:
    return _problem(error.name, str(error), error.errors)


def _problem(name: str, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    body = document(name, detail, errors=errors)
    return {"status": body["status"], "problem": body}
