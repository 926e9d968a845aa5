"""Several intents in one request. Each item is accepted or refused on its own, and gets its own result."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError

from penstock.expressions.exact_json import write
from penstock.intents import Receipt, WriteIntent, kind_of
from penstock.producer import emitter
from penstock.producer.errors import IntentTooLarge, NotAcknowledged
from penstock.producer.http.bodies import BadRequest, check, field_errors, invalid, parse, wrong_field
from penstock.producer.http.problems import document, problem
from penstock.producer.http.requests import make_intent, valid_key
from penstock.producer.http.responses import RETRY_LATER, json_response, pending

JSON: Final = "application/json"
LINES: Final = "application/x-ndjson"

_NOT_ACKNOWLEDGED = "The queue did not acknowledge the write. Send it again, with the same idempotency key."
_REUSED = "An earlier item of this batch has the same idempotency key and another payload."


@dataclass(slots=True)
class BatchItem:
    """One item that holds a valid intent.

    Attributes:
        intent: the intent.
        key: its idempotency key.
        result: the item's result, once it was emitted or refused.
        repeats: the earlier item with the same key and the same intent. Only that item is emitted.
    """

    intent: WriteIntent
    key: str | None
    result: dict[str, Any] | None = None
    repeats: "BatchItem | None" = None


def read_items(body: bytes, media_type: str, limit: int) -> list[Any]:
    """Parse the items of a batch: a JSON array, or one item per line.

    Args:
        body: the request's body.
        media_type: its media type, without parameters.
        limit: the most items that are allowed.

    Raises:
        BadRequest: the body is not a batch, or has too many items.
    """
    if media_type == LINES:
        items = _parse_lines(body, limit)
    elif media_type == JSON:
        items = parse(body)
    else:
        raise BadRequest("unsupported-media-type", f"A batch is {JSON} or {LINES}.")
    if not isinstance(items, list) or not items:
        raise BadRequest("bad-batch", "A batch must be a JSON array, or lines of JSON, with 1 item at least.")
    if len(items) > limit:
        raise BadRequest("too-large", f"The batch has more than the {limit:,} items that are allowed.")
    return items


def _parse_lines(body: bytes, limit: int) -> list[Any]:
    # Empty lines are not items: a line break at the end is usual (NDJSON, section 3.1).
    lines = [(number, line) for number, line in enumerate(body.split(b"\n"), 1) if line.strip()]
    return [parse(line, where=f"Line {number:,}") for number, line in lines[: limit + 1]]


class BatchRequest:
    """The items of one request, in order."""

    def __init__(self, kinds: Iterable[type[WriteIntent]], *, nesting_limit: int, key: str | None) -> None:
        """Make an empty batch.

        Args:
            kinds: the intent classes that the batch may hold.
            nesting_limit: the most levels of nesting of an item.
            key: the request's idempotency key. Each item without a key gets one derived from it.
        """
        self._kinds = {kind_of(intent): intent for intent in kinds}
        self._nesting_limit = nesting_limit
        self._key = key
        self._results: list[dict[str, Any] | BatchItem] = []
        self._first_by_key: dict[tuple[str, str], BatchItem] = {}

    def add(self, value: Any) -> None:
        """Validate one more item. If it is refused, its problem is its result."""
        try:
            item = self._item(value)
            self._find_repeat(item)
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
        return BatchItem(make_intent(intent, write(value["data"], sys.maxsize)), self._key_of(value))

    def _key_of(self, value: Mapping[str, Any]) -> str | None:
        if value.get("idempotencyKey") is not None:
            return valid_key(value["idempotencyKey"])
        return None if self._key is None else json.dumps([self._key, len(self._results)])

    def _find_repeat(self, item: BatchItem) -> None:
        """Mark an item that repeats an earlier one, and refuse one that has its key but another payload."""
        if item.key is None:
            return
        first = self._first_by_key.setdefault((kind_of(item.intent), item.key), item)
        if first is item:
            return
        if first.intent != item.intent:
            raise BadRequest("idempotency-key-reused", _REUSED)
        item.repeats = first

    def emit(self, tenant: str | None) -> None:
        """Emit the intents of the items that were not refused.

        Args:
            tenant: the tenant that the keys belong to.

        Raises:
            ReceiptKeyUnavailable: no receipt can be signed. Nothing was sent.
            EncryptionUnavailable: a `Sensitive` field cannot be encrypted. Nothing was sent.
        """
        _emit([item for item in self._results if isinstance(item, BatchItem) and not item.repeats], tenant)

    def answer(self) -> dict[str, Any]:
        """Answer 202 if every item was acknowledged, 207 if some were, 503 or 422 if none was."""
        results = [_result(result) for result in self._results]
        statuses = [result["status"] for result in results]
        count = statuses.count(HTTPStatus.ACCEPTED)
        body = {"kept": count, "refused": len(results) - count, "items": results}
        if count:
            status = HTTPStatus.ACCEPTED if count == len(results) else HTTPStatus.MULTI_STATUS
            return json_response(status, body, {"Cache-Control": "no-store", **RETRY_LATER})
        if HTTPStatus.SERVICE_UNAVAILABLE in statuses:
            detail = "The queue acknowledged no item. Send the batch again."
            return problem("not-kept", detail, more=body, headers=RETRY_LATER)
        return problem("batch-refused", "Each item has its own problem.", more=body)


def _emit(items: list[BatchItem], tenant: str | None) -> None:
    """Emit items, and set the result of each. An item that cannot be sent is left out, and the others are sent."""
    # By identity: two equal items may have different keys.
    keys = {id(item.intent): item.key for item in items}
    receipts: Mapping[int, Receipt] = {}
    while items:
        unread = iter(items)
        intents = (item.intent for item in unread)
        try:
            sent = emitter.emit_many(intents, idempotency_key=lambda intent: keys[id(intent)], tenant=tenant)
            receipts = dict(enumerate(sent))
            break
        except NotAcknowledged as error:
            receipts = error.sent
            break
        except (IntentTooLarge, ValidationError) as error:
            # Nothing was sent: `emit_many` stopped reading at the intent that cannot be sent.
            refused = items.pop(-1 - len(list(unread)))
            refused.result = _refused(_bad_request(error))
    for index, item in enumerate(items):
        acknowledged = index in receipts
        item.result = _sent(receipts[index]) if acknowledged else _problem("not-kept", _NOT_ACKNOWLEDGED)


def _bad_request(error: IntentTooLarge | ValidationError) -> BadRequest:
    if isinstance(error, IntentTooLarge):
        return BadRequest("too-large", f"{error}.")
    return invalid(field_errors(error))


def _result(result: dict[str, Any] | BatchItem) -> dict[str, Any]:
    if isinstance(result, dict):
        return result
    if result.repeats:
        first = _result(result.repeats)
        return first | {"replayed": True} if "problem" not in first else first
    assert result.result is not None  # noqa: S101 (emit has set the result of each)
    return result.result


def _sent(receipt: Receipt) -> dict[str, Any]:
    body = pending(receipt)
    return {"status": HTTPStatus.ACCEPTED.value, "id": body["id"], "links": body["links"]}


def _refused(error: BadRequest) -> dict[str, Any]:
    return _problem(error.name, str(error), error.errors)


def _problem(name: str, detail: str, errors: list[dict[str, str]] | None = None) -> dict[str, Any]:
    body = document(name, detail, errors=errors)
    return {"status": body["status"], "problem": body}
