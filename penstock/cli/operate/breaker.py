"""The breaker of a stage by hand, with errors that name the way out."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Final

from penstock.cli.support.aws_errors import CREDENTIAL_CODES
from penstock.cli.support.errors import CONFLICT, CREDENTIALS, FAILED, Failure
from penstock.consumer.breaker.event_source import EventSourceMapping, code_of
from penstock.consumer.breaker.manual import (
    BreakerBusy,
    BreakerSlow,
    BreakerStatus,
    BreakerUnmarked,
    close_breaker,
    open_breaker,
)

_TIMEOUT_SECONDS: Final = 120.0
"""Lambda takes up to about a minute to turn a mapping on or off."""


def turn_off(mapping: EventSourceMapping, actor: str, reason: str) -> BreakerStatus:
    """Turn the drain off until `turn_on`, and return the breaker's state before.

    Args:
        mapping: the drain's event source mapping.
        actor: who turns it off.
        reason: why, for a tag that others can see.

    Raises:
        Failure: the mapping is being changed, Lambda takes too long, or AWS refused the mark: the drain is off.
        botocore.exceptions.ClientError: Lambda refused a call.
    """
    mark = f"{actor} {datetime.now(UTC).isoformat(timespec='seconds')} {reason}"
    with _translated():
        return open_breaker(mapping, mark, seconds=_TIMEOUT_SECONDS)


def turn_on(mapping: EventSourceMapping) -> BreakerStatus:
    """Turn the drain on, whoever turned it off, and return the breaker's state before.

    Args:
        mapping: the drain's event source mapping.

    Raises:
        Failure: the mapping is being changed, or Lambda takes too long.
        botocore.exceptions.ClientError: Lambda refused a call.
    """
    with _translated():
        return close_breaker(mapping, seconds=_TIMEOUT_SECONDS)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except BreakerBusy as error:
        raise Failure(f"{error}; nothing was done. Try again in a minute", CONFLICT) from error
    except BreakerUnmarked as error:
        code = code_of(error.__cause__) if isinstance(error.__cause__, Exception) else ""
        text = f"{error} ({code}): `penstock breaker close` turns it on again"
        raise Failure(text, CREDENTIALS if code in CREDENTIAL_CODES else FAILED) from error
    except BreakerSlow as error:
        raise Failure(f"{error}\n`penstock breaker status` shows whether it is done") from error
