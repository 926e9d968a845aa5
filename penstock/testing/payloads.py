"""Payloads in memory, for tests that must neither wait nor need AWS."""

from collections.abc import Mapping, Set

from penstock.queue import DEADLINE_EXCEEDED, Refusal
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef


class MemoryPayloads:
    """A bucket in memory; see `penstock.queue.Payloads` for what its methods promise.

        payloads = MemoryPayloads()
        Producer(settings, queue, payloads)
        payloads.objects.clear()            # as if all had expired
        payloads.away = "SlowDown"          # refuses every call until it is None again

    Attributes:
        bucket: its name.
        objects: what it holds, by key.
        away: the code that it refuses all with, as if it were unwell.
        denied: the code that it refuses all with, as if its caller had no right to ask.
        reads: every key that was read, in order.
    """

    def __init__(self, bucket: str = "payloads") -> None:
        """Make an empty bucket."""
        self.bucket = bucket
        self.objects: dict[str, bytes] = {}
        self.away: str | None = None
        self.denied: str | None = None
        self.reads: list[str] = []

    def put(self, bodies: Mapping[str, bytes], *, timeout_seconds: float | None = None) -> dict[str, Refusal]:
        """Keep bodies under their keys."""
        if timeout_seconds is not None and timeout_seconds <= 0:
            return dict.fromkeys(bodies, Refusal(f"S3.{DEADLINE_EXCEEDED.code}", retryable=True))
        code = self.away or self.denied
        if code:
            return dict.fromkeys(bodies, Refusal(f"S3.{code}", retryable=self.away is not None))
        self.objects |= bodies
        return {}

    def get(
        self, wanted: Set[PayloadRef], *, timeout_seconds: float | None = None
    ) -> dict[PayloadRef, bytes | FetchFailure]:
        """Read bodies."""
        late = timeout_seconds is not None and timeout_seconds <= 0
        return {
            one: FetchFailure(PayloadError.UNAVAILABLE, DEADLINE_EXCEEDED.code) if late else self._read(one)
            for one in wanted
        }

    def _read(self, wanted: PayloadRef) -> bytes | FetchFailure:
        if self.away or self.denied:
            return FetchFailure(
                PayloadError.UNAVAILABLE if self.away else PayloadError.DENIED, str(self.away or self.denied)
            )
        body = self.objects.get(wanted.key)
        if body is None:
            return FetchFailure(PayloadError.MISSING, "NoSuchKey")
        if len(body) != wanted.size:
            return FetchFailure(PayloadError.WRONG_SIZE, "ContentLength")
        self.reads.append(wanted.key)
        return body
