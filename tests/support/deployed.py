"""Helpers for tests of the deployed service: requests, queries, AWS clients."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import boto3
import httpx
import psycopg

from penstock.local.aws import ACCESS_KEY
from penstock.local.processes import wait_until
from penstock.local.state import LocalState

SECONDS = 30


def page_view(**changes: Any) -> dict[str, Any]:
    return {
        "path": f"/{uuid.uuid4()}",
        "visitor": str(uuid.uuid4()),
        "viewed_at": "2026-11-20T10:00:00Z",
    } | changes


def accepted(answer: httpx.Response) -> httpx.Response:
    """Return an answer that says 202; any other one is in the error with its body."""
    assert answer.status_code == httpx.codes.ACCEPTED, f"{answer.status_code} {answer.text}"
    return answer


def rows(live: LocalState, path: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(live.database_url) as connection:
        query = "SELECT path, visitor, viewed_at, duration_ms FROM page_views WHERE path = %s"
        return connection.execute(query, [path]).fetchall()


def eventually(condition: Callable[[], Any], seconds: float = SECONDS) -> bool:
    return wait_until(lambda: bool(condition()), seconds)


def aws(live: LocalState, service: str, **credentials: str) -> Any:
    keys = {"aws_access_key_id": ACCESS_KEY, "aws_secret_access_key": ACCESS_KEY} | credentials
    return boto3.client(service, endpoint_url=live.endpoint_url, region_name=live.region, **keys)  # type: ignore[call-overload]


@contextmanager
def environment_of(live: LocalState, function: str, **variables: str) -> Iterator[None]:
    """Add environment variables to a deployed function while the block runs."""
    functions, name = aws(live, "lambda"), f"{live.service}-local-{function}"
    deployed = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": deployed | variables})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": deployed})


def receipt_key(live: LocalState) -> str:
    """Return the key that signs the receipts of the deployed service."""
    functions = aws(live, "lambda")
    found = functions.get_function_configuration(FunctionName=f"{live.service}-local-writes")
    secret = found["Environment"]["Variables"]["PENSTOCK_RECEIPT_KEY"]
    return str(aws(live, "secretsmanager").get_secret_value(SecretId=secret)["SecretString"])
