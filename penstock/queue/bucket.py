"""The payload store that a service's settings name."""

from penstock.queue.payloads import Payloads


def payload_store(bucket: str) -> Payloads | None:
    """Return the payloads in an S3 bucket; None if `bucket` is empty. This does not call S3."""
    if not bucket:
        return None
    from penstock.queue.s3 import S3Payloads  # noqa: PLC0415 (a service without a bucket does not need it)

    return S3Payloads(bucket)
