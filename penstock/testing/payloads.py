"""Payloads in memory, for tests that must neither wait nor need AWS."""

from collections.abc import Mapping, Set

from penstock.queue import DEADLINE_EXCEEDED, Refusal
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef


class MemoryPayloads:
    """A bucket in memory; `penstock.queue.Payloads` documents the methods.

        payloads = MemoryPayloads()
        Producer(settings, queue, payloads)
        payloads.objects.clear()            # as if every payload had expired
        payloads.unavailable = "SlowDown"   # every call is refused until this is None again

    Attributes:
        bucket: the bucket's name.
        objects: the stored bodies by key.
        unavailable: the code with which every call is refused, as if the store could not be reached.
        denied: the code with which every call is refused, as if the caller had no permission.
        reads: the key of every successful read, in order.
    """

    def __init__(self, bucket: str = "payloads") -> None:
        """Make an empty bucket."""
        self.bucket = bucket
        self.objects: dict[str, bytes] = {}
        self.unavailable: str | None = None
        self.denied: str | None = None
        self.reads: list[str] = []

    def put(self, bodies: Mapping[str, bytes], *, timeout_seconds: float | None = None) -> dict[str, Refusal]:
        """Store bodies by key."""
        if timeout_seconds is not None and timeout_seconds <= 0:
            return dict.fromkeys(bodies, Refusal(f"S3.{DEADLINE_EXCEEDED.code}", retryable=True))
        code = self.unavailable or self.denied
        if code:
            return dict.fromkeys(bodies, Refusal(f"S3.{code}", retryable=self.unavailable is not None))
        self.objects |= bodies
        return {}

    def get(
        self, refs: Set[PayloadRef], *, timeout_seconds: float | None = None
    ) -> dict[PayloadRef, bytes | FetchFailure]:
        """Read bodies."""
        if timeout_seconds is not None and timeout_seconds <= 0:
            return dict.fromkeys(refs, FetchFailure(PayloadError.UNAVAILABLE, DEADLINE_EXCEEDED.code))
        return {ref: self._read(ref) for ref in refs}

    def _read(self, ref: PayloadRef) -> bytes | FetchFailure:
        if self.unavailable:
            return FetchFailure(PayloadError.UNAVAILABLE, self.unavailable)
        if self.denied:
            return FetchFailure(PayloadError.DENIED, self.denied)
        body = self.objects.get(ref.key)
        if body is None:
            return FetchFailure(PayloadError.MISSING, "NoSuchKey")
        if len(body) != ref.size:
            return FetchFailure(PayloadError.SIZE_MISMATCH, "ContentLength")
        self.reads.append(ref.key)
        return body
