"""Payloads in earnest: Amazon S3 through botocore. Imported, and its client made, by what has a large intent."""

import time
from collections.abc import Callable, Iterable, Mapping, Set
from contextlib import closing
from functools import cached_property
from typing import TYPE_CHECKING, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from penstock.aws import aws_client, in_haste
from penstock.queue.codec import refusal_of
from penstock.queue.concurrency import for_each
from penstock.queue.interface import DEADLINE_EXCEEDED, Refusal
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef

if TYPE_CHECKING:
    import boto3
    from mypy_boto3_s3 import S3Client

K = TypeVar("K")
R = TypeVar("R")

THREADS = 8
"""How many calls one `put` or `get` has under way at most."""

_PIECE_BYTES = 8192
"""Read at once: at a trickle the clock is looked at often enough."""
_CONTENT_TYPE = "application/cloudevents+json"


def s3_client(session: "boto3.Session | None" = None, endpoint_url: str | None = None) -> "S3Client":
    """Make an S3 client that gives up within seconds, as that of SQS does; a call takes about 5 s of silence."""
    config = in_haste(read_timeout=2, max_pool_connections=2 * THREADS)
    if session:
        return session.client("s3", config=config, endpoint_url=endpoint_url)
    made: S3Client = aws_client("s3", config, endpoint_url)
    return made


class S3Payloads:
    """One bucket of S3's; see `penstock.queue.payloads.Payloads` for what its methods promise."""

    def __init__(self, bucket: str, client: "S3Client | None" = None, *, timeout_seconds: float = 5.0) -> None:
        """Take the bucket's name.

        Args:
            bucket: the bucket's name.
            client: an S3 client of boto3's or botocore's; by default one of `s3_client`, made when it is needed.
            timeout_seconds: for how long calls are begun where a caller does not say.
        """
        self.bucket = bucket
        self._given_client = client
        self._patience = timeout_seconds

    def put(self, bodies: Mapping[str, bytes], *, timeout_seconds: float | None = None) -> dict[str, Refusal]:
        """Put several objects at once (S3: PutObject)."""
        # Made before the threads are, or each of them might make one.
        client = self._client

        def put(key: str) -> Refusal | None:
            client.put_object(Bucket=self.bucket, Key=key, Body=bodies[key], ContentType=_CONTENT_TYPE)
            return None

        rounds = _Rounds(self._until(timeout_seconds))
        done = rounds.run(bodies, put, _refused, _refused)
        return {key: reason for key, reason in done.items() if reason}

    def get(
        self, wanted: Set[PayloadRef], *, timeout_seconds: float | None = None
    ) -> dict[PayloadRef, bytes | FetchFailure]:
        """Get several objects at once (S3: GetObject)."""
        client, until = self._client, self._until(timeout_seconds)

        def get(one: PayloadRef) -> bytes | FetchFailure:
            return _read(client, self.bucket, one, until)

        return _Rounds(until).run(
            wanted, get, _unread, lambda reason: FetchFailure(PayloadError.UNAVAILABLE, reason.code)
        )

    def _until(self, timeout_seconds: float | None) -> float:
        return time.monotonic() + (self._patience if timeout_seconds is None else timeout_seconds)

    @cached_property
    def _client(self) -> "S3Client":
        return self._given_client or s3_client()


def _read(client: "S3Client", bucket: str, wanted: PayloadRef, until: float) -> bytes | FetchFailure:
    answer = client.get_object(Bucket=bucket, Key=wanted.key)
    with closing(answer["Body"]) as body:
        if answer["ContentLength"] != wanted.size:
            return FetchFailure(PayloadError.WRONG_SIZE, "ContentLength")
        pieces = []
        # A body may come by drops, each of them in time.
        for piece in body.iter_chunks(_PIECE_BYTES):
            if time.monotonic() > until:
                return FetchFailure(PayloadError.UNAVAILABLE, DEADLINE_EXCEEDED.code)
            pieces.append(piece)
    return b"".join(pieces)


class _Rounds:
    """Calls for several things at once, begun as long as there is time and somebody answers."""

    def __init__(self, until: float) -> None:
        self._until = until
        self._silence: Refusal | None = None

    def run(
        self,
        things: Iterable[K],
        call: Callable[[K], R],
        failed: Callable[[ClientError], R],
        ended: Callable[[Refusal], R],
    ) -> dict[K, R]:
        """Return what the calls gave, or what `failed` makes of S3's refusal, and `ended` of a call not made."""
        results: dict[K, R] = {}

        def do(thing: K) -> None:
            results[thing] = self._one(lambda: call(thing), failed, ended)

        for_each(things, do, THREADS)
        return results

    def _one(self, call: Callable[[], R], failed: Callable[[ClientError], R], ended: Callable[[Refusal], R]) -> R:
        if self._silence or time.monotonic() >= self._until:
            return ended(self._silence or DEADLINE_EXCEEDED)
        try:
            return call()
        except ClientError as error:
            return failed(error)
        except (BotoCoreError, HTTPError) as error:
            # Nobody answers. The next call would wait as long for the same. botocore lets some errors of urllib3's
            # through, of a body that breaks off.
            self._silence = Refusal(type(error).__name__, retryable=False)
            return ended(self._silence)


def _refused(error: ClientError | Refusal) -> Refusal | None:
    reason = refusal_of(error) if isinstance(error, ClientError) else error
    return Refusal(f"S3.{reason.code}", retryable=reason.retryable or "SlowDown" in reason.code)


_DENIED = {301, 400, 401, 403, 404}


def _unread(error: ClientError) -> FetchFailure:
    """Tell what S3 means by an error; a key that is missing is 404 to who may list the bucket, else 403."""
    reason = refusal_of(error)
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    if reason.code == "NoSuchKey":
        return FetchFailure(PayloadError.MISSING, reason.code)
    denied = status in _DENIED and not reason.retryable and reason.code not in {"RequestTimeout", "SlowDown"}
    return FetchFailure(PayloadError.DENIED if denied else PayloadError.UNAVAILABLE, reason.code)
