"""Payloads in Amazon S3, through botocore. Only a large intent imports this module and makes its client."""

import time
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from penstock.aws import aws_client, fail_fast_config
from penstock.queue.codec import refusal_of
from penstock.queue.concurrency import for_each
from penstock.queue.interface import DEADLINE_EXCEEDED, Refusal
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef
from penstock.queue.retries import Deadline

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

K = TypeVar("K")
R = TypeVar("R")

THREADS = 8
"""The most calls that one `put` or `get` makes at the same time."""

_READ_BYTES = 8192
"""The size of one read. It is small, so that the deadline is checked often even on a slow connection."""
_CONTENT_TYPE = "application/cloudevents+json"


def s3_client(session: "boto3.Session | None" = None, endpoint_url: str | None = None) -> "S3Client":
    """Make an S3 client that fails within seconds. If S3 does not respond, a call takes about 5 s."""
    config = fail_fast_config(read_timeout=2, max_pool_connections=2 * THREADS)
    if session:
        return session.client("s3", config=config, endpoint_url=endpoint_url)
    made: S3Client = aws_client("s3", config, endpoint_url)
    return made


class S3Payloads:
    """The payloads in one S3 bucket; `penstock.queue.payloads.Payloads` documents the methods."""

    def __init__(self, bucket: str, client: "S3Client | None" = None, *, timeout_seconds: float = 5.0) -> None:
        """Make the store; this calls nothing.

        Args:
            bucket: the bucket's name.
            client: an S3 client of boto3 or botocore; by default one of `s3_client`, made when it is needed.
            timeout_seconds: for how many seconds calls may start, where the caller gives no other timeout.
        """
        self.bucket = bucket
        self._given_client = client
        self._timeout = timeout_seconds

    def put(self, bodies: Mapping[str, bytes], *, timeout_seconds: float | None = None) -> dict[str, Refusal]:
        """Put several objects at once (S3: PutObject)."""
        # The client is made before the threads are, or each of them might make one.
        client = self._client

        def put(key: str) -> Refusal | None:
            client.put_object(Bucket=self.bucket, Key=key, Body=bodies[key], ContentType=_CONTENT_TYPE)
            return None

        results = _call_each(bodies, put, self._deadline(timeout_seconds), _put_refusal, _put_refusal)
        return {key: refusal for key, refusal in results.items() if refusal}

    def get(
        self, refs: Set[PayloadRef], *, timeout_seconds: float | None = None
    ) -> dict[PayloadRef, bytes | FetchFailure]:
        """Get several objects at once (S3: GetObject)."""
        client, deadline = self._client, self._deadline(timeout_seconds)

        def get(ref: PayloadRef) -> bytes | FetchFailure:
            return _read(client, self.bucket, ref, deadline)

        return _call_each(
            refs,
            get,
            deadline,
            _fetch_failure,
            lambda refusal: FetchFailure(PayloadError.UNAVAILABLE, refusal.code),
        )

    def _deadline(self, timeout_seconds: float | None) -> Deadline:
        return Deadline.after(self._timeout if timeout_seconds is None else timeout_seconds)

    @cached_property
    def _client(self) -> "S3Client":
        return self._given_client or s3_client()


def _read(client: "S3Client", bucket: str, ref: PayloadRef, deadline: Deadline) -> bytes | FetchFailure:
    response = client.get_object(Bucket=bucket, Key=ref.key)
    with closing(response["Body"]) as body:
        if response["ContentLength"] != ref.size:
            return FetchFailure(PayloadError.SIZE_MISMATCH, "ContentLength")
        parts = []
        # The read timeout limits one read only: a slow body could take far longer than the deadline.
        for part in body.iter_chunks(_READ_BYTES):
            if time.monotonic() > deadline.expires_at:
                return FetchFailure(PayloadError.UNAVAILABLE, DEADLINE_EXCEEDED.code)
            parts.append(part)
    return b"".join(parts)


def _call_each(
    items: Iterable[K],
    call: Callable[[K], R],
    deadline: Deadline,
    on_error: Callable[[ClientError], R],
    on_skip: Callable[[Refusal], R],
) -> dict[K, R]:
    """Call for several items at once, until the deadline.

    Returns:
        By item: the result of the call, `on_error` of the error that S3 returned, or `on_skip` of the reason why
        no response came.
    """
    results: dict[K, R] = {}

    def attempt(item: K) -> R:
        if refusal := deadline.refusal():
            return on_skip(refusal)
        try:
            return call(item)
        except ClientError as error:
            return on_error(error)
        except (BotoCoreError, HTTPError) as error:
            # S3 does not respond. The next call would wait as long for the same error. HTTPError is here because
            # botocore does not translate some errors of urllib3 about a body that breaks off.
            deadline.connection_error = Refusal(type(error).__name__, retryable=False)
            return on_skip(deadline.connection_error)

    def store_result(item: K) -> None:
        results[item] = attempt(item)

    for_each(items, store_result, THREADS)
    return results


def _put_refusal(error: ClientError | Refusal) -> Refusal | None:
    refusal = refusal_of(error) if isinstance(error, ClientError) else error
    return Refusal(f"S3.{refusal.code}", retryable=refusal.retryable or "SlowDown" in refusal.code)


_DENIED = {301, 400, 401, 403, 404}


def _fetch_failure(error: ClientError) -> FetchFailure:
    """Map an S3 error. A missing key is 404 for a caller that may list the bucket, and 403 for any other."""
    refusal = refusal_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if refusal.code == "NoSuchKey":
        return FetchFailure(PayloadError.MISSING, refusal.code)
    denied = status in _DENIED and not refusal.retryable and refusal.code not in {"RequestTimeout", "SlowDown"}
    return FetchFailure(PayloadError.DENIED if denied else PayloadError.UNAVAILABLE, refusal.code)
