"""Tests for every payload store: the one in memory must behave as the one in S3 does."""

from collections.abc import Iterator
from contextlib import closing
from uuid import uuid4

import pytest

from penstock.queue import Payloads, new_key
from penstock.queue.payloads import FetchFailure, PayloadError, PayloadRef, key_in
from penstock.queue.s3 import S3Payloads, s3_client
from penstock.testing import MemoryPayloads
from tests.support.project import SESSION


@pytest.fixture(params=["memory", "s3"])
def payloads(request: pytest.FixtureRequest) -> Iterator[Payloads]:
    """Give an empty bucket: the fake, then S3 as a local AWS has it."""
    if request.param == "memory":
        yield MemoryPayloads()
        return
    with closing(s3_client(SESSION, request.getfixturevalue("local_aws_endpoint"))) as client:
        bucket = f"payloads-{uuid4()}"
        client.create_bucket(Bucket=bucket)
        yield S3Payloads(bucket, client)


def test_what_was_put_is_there(payloads: Payloads) -> None:
    """Many bodies are stored and read at once, unchanged, including megabytes of binary data."""
    bodies = {new_key(): b"\x00\xff" + bytes([n]) * n * 100_000 for n in range(1, 20)}
    assert payloads.put(bodies) == {}
    refs = {PayloadRef(key, len(body)) for key, body in bodies.items()}
    assert {ref.key: body for ref, body in payloads.get(refs).items()} == bodies


def test_a_missing_body_is_reported(payloads: Payloads) -> None:
    """A missing body has its own error; the other bodies are read."""
    key, other = new_key(), new_key()
    assert payloads.put({key: b"x"}) == {}
    got = payloads.get({PayloadRef(key, 1), PayloadRef(other, 1)})
    assert got == {PayloadRef(key, 1): b"x", PayloadRef(other, 1): FetchFailure(PayloadError.MISSING, "NoSuchKey")}


@pytest.mark.parametrize("size", [1, 3, 10**9])
def test_another_size_is_not_read(payloads: Payloads, size: int) -> None:
    """A body is read only if it has the expected size."""
    key = new_key()
    assert payloads.put({key: b"xx"}) == {}
    other, own = PayloadRef(key, size), PayloadRef(key, 2)
    assert payloads.get({other, own}) == {
        other: FetchFailure(PayloadError.SIZE_MISMATCH, "ContentLength"),
        own: b"xx",
    }


def test_without_time_nothing_is_done(payloads: Payloads) -> None:
    """With a timeout of 0 nothing is stored or read, and both methods report it."""
    key = new_key()
    assert payloads.put({key: b"x"}, timeout_seconds=0)[key].code == "S3.DeadlineExceeded"
    assert payloads.get({PayloadRef(key, 1)})[PayloadRef(key, 1)] == FetchFailure(
        PayloadError.MISSING, "NoSuchKey"
    )
    late = payloads.get({PayloadRef(key, 1)}, timeout_seconds=0)
    assert late == {PayloadRef(key, 1): FetchFailure(PayloadError.UNAVAILABLE, "DeadlineExceeded")}


def test_nothing_to_do_is_no_mistake(payloads: Payloads) -> None:
    """Empty arguments give empty results."""
    assert (payloads.put({}), payloads.get(set())) == ({}, {})


def test_a_key_is_unique_and_bound_to_its_bucket() -> None:
    """Each key is new, and is recognised in its own bucket only."""
    keys = [new_key() for _ in range(100)]
    assert len(set(keys)) == 100
    assert all(key_in("own", f"s3://own/{key}") == key for key in keys)
    assert key_in("own", f"s3://other/{keys[0]}") is None


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "payloads/2026-11-21/0199aa00-0000-7000-8000-000000000001",
        "https://own/payloads/2026-11-21/0199aa00-0000-7000-8000-000000000001",
        "https://own.s3.amazonaws.com/payloads/2026-11-21/0199aa00-0000-7000-8000-000000000001",
        "file:///etc/passwd",
        "s3://own",
        "s3://own/",
        "s3://own2/payloads/2026-11-21/0199aa00-0000-7000-8000-000000000001",
        "s3://own/other/2026-11-21/0199aa00-0000-7000-8000-000000000001",
        "s3://own/payloads/../secrets/0199aa00-0000-7000-8000-000000000001",
        "s3://own/payloads/2026-11-21/0199aa00-0000-7000-8000-000000000001?versionId=1",
        "s3://own/payloads/2026-11-21/0199aa00-0000-7000-8000-000000000001\n",
        "s3://own/payloads/\u0662\u0660\u0662\u0666-11-21/0199aa00-0000-7000-8000-000000000001",
    ],
)
def test_a_foreign_reference_is_no_key(reference: str) -> None:
    """A reference that is not a payload in this bucket has no key."""
    assert key_in("own", reference) is None


def test_an_unreachable_s3_and_a_missing_bucket(local_aws_endpoint: str) -> None:
    """An unreachable S3 is unavailable, a bucket that does not exist is an error of the caller."""
    refs = {PayloadRef(new_key(), 1) for _ in range(30)}
    with closing(s3_client(SESSION, "http://127.0.0.1:9")) as client:
        away = S3Payloads("none", client)
        assert {failure.error for failure in away.get(refs).values() if isinstance(failure, FetchFailure)} == {
            PayloadError.UNAVAILABLE
        }
        assert {refusal.code for refusal in away.put({new_key(): b"x"}).values()} == {"S3.EndpointConnectionError"}
    with closing(s3_client(SESSION, local_aws_endpoint)) as client:
        missing = S3Payloads(f"none-{uuid4()}", client)
        assert set(missing.get(refs).values()) == {FetchFailure(PayloadError.DENIED, "NoSuchBucket")}
        (refusal,) = missing.put({new_key(): b"x"}).values()
        assert (refusal.code, refusal.retryable) == ("S3.NoSuchBucket", False)
