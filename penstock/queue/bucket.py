"""The bucket of a service, as its settings name it."""

from penstock.queue.payloads import Payloads


def own_payloads(bucket: str) -> Payloads | None:
    """Return the payloads in a bucket of S3's; None where a service has none. Nothing is asked of S3 yet."""
    if not bucket:
        return None
    from penstock.queue.s3 import S3Payloads  # noqa: PLC0415 (whoever has no bucket need not have it)

    return S3Payloads(bucket)
