"""Numbers of a request: what is emitted has every digit of them."""

import json
from decimal import Decimal
from typing import Any

import pytest

from penstock import WriteIntent, accepted
from penstock.producer.http.api import HttpApi
from penstock.testing import LambdaContext, MemoryQueue

LONG = "12345678901234567.89"


class PriceSet(WriteIntent, kind="price.set"):
    sku: str
    price: Decimal
    notes: Any = None


api = HttpApi()


@api.post("/prices")
def set_price() -> dict[str, Any]:
    return accepted(api.emit(api.intent(PriceSet)))


@api.post("/prices/<sku>")
def set_price_of(sku: str) -> dict[str, Any]:
    return accepted(api.emit(api.intent(PriceSet, sku=sku)))


@api.post("/batches")
def set_prices() -> dict[str, Any]:
    return api.batch(PriceSet)


def post(path: str, body: str) -> dict[str, Any]:
    http = {"method": "POST", "path": path, "sourceIp": "127.0.0.1"}
    event = {
        "version": "2.0",
        "rawPath": path,
        "headers": {"content-type": "application/json"},
        "requestContext": {"http": http, "stage": "$default", "requestId": "test"},
        "body": body,
        "isBase64Encoded": False,
    }
    return api.resolve(event, LambdaContext())


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/prices", f'{{"sku": "a", "price": {LONG}}}'),
        ("/prices/a", f'  {{"price": {LONG}}}\n'),
        ("/batches", f'[{{"type": "price.set", "data": {{"sku": "a", "price": {LONG}}}}}]'),
    ],
)
def test_a_number_of_a_request_is_emitted_digit_for_digit(queue: MemoryQueue, path: str, body: str) -> None:
    """A number that a double would change is emitted as it was written, from a body and from a batch."""
    assert post(path, body)["statusCode"] == 202
    (sent,) = queue.bodies
    assert sent["data"] == {"sku": "a", "price": LONG, "notes": None}


def test_the_path_goes_into_an_empty_object(queue: MemoryQueue) -> None:
    """An object without fields takes those of the path, and the missing field is named."""
    answer = post("/prices/a", " {} ")
    assert answer["statusCode"] == 422
    assert [error["field"] for error in json.loads(answer["body"])["errors"]] == ["price"]


def test_a_number_that_cannot_be_kept_is_refused(queue: MemoryQueue) -> None:
    """A number in a field of any type is refused with 422, which names the field."""
    answer = post("/prices", f'{{"sku": "a", "price": 1, "notes": {{"x": {LONG}}}}}')
    assert answer["statusCode"] == 422
    (error,) = json.loads(answer["body"])["errors"]
    assert (error["field"], error["code"]) == ("notes", "inexact_number")
    assert queue.bodies == []
