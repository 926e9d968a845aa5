"""What the drain logs of a batch: how many records it had, and what went wrong; no value of an intent."""

import logging
from collections.abc import Iterable, Sequence

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import Cause, DeploymentFault, Fault, SharedFault
from penstock.diagnosis import frames_of, where

_logger = logging.getLogger(__name__)


def log_result(batch: Batch, raised: Fault | None) -> None:
    """Log how many records the batch had, and the causes of those that were handed back.

    Args:
        batch: the batch.
        raised: the fault of its transaction, if that failed as a whole.
    """
    if raised:
        _log_fault(raised, [*batch.failed.values()])
    failed: dict[tuple[type[Fault], Cause], list[Item]] = {}
    for item in batch.failed.values():
        if item.fault:
            failed.setdefault((type(item.fault), item.fault.cause), []).append(item)
    for items in failed.values():
        if items[0].fault:
            _log_fault(items[0].fault, items)
    others = [item for item in batch.items if item.duplicate or item.first_occurrence or item.claimed]
    duplicates = sum(item.duplicate or item.first_occurrence is not None for item in others)
    counts = {"records": len(batch.items), "duplicates": duplicates, "handed_back": len(batch.failed)}
    for name in ("expired", "held"):
        if count := sum(getattr(item, name) and item.claimed for item in others):
            counts[name] = count
    _logger.info("drained", extra={"action": "drained", **counts})


def log_unexpected(error: Exception, batch: Batch) -> None:
    """Log an error before the commit, for which the whole batch comes back. Lambda logs its text."""
    extra = {"action": "drain_failed", "kinds": _kinds(batch.items), "frames": frames_of(error)}
    _logger.error("the drain failed: %s", where(error), extra=extra)


def log_failure(error: Exception) -> None:
    """Log an error after the commit, without a traceback: it may contain values."""
    extra = {"action": "after_commit_failed", "frames": frames_of(error)}
    _logger.error("a step after the commit failed: %s", where(error), extra=extra)


def _log_fault(fault: Fault, items: Sequence[Item]) -> None:
    level = logging.ERROR if isinstance(fault, DeploymentFault | SharedFault) else logging.WARNING
    named = {"fault": type(fault).__name__, "records": len(items), "kinds": _kinds(items)}
    if fault.cause.frames:
        named["frames"] = fault.cause.frames
    _logger.log(level, "handed back: %s", fault.cause, extra={"action": "handed_back", **named})


def _kinds(items: Iterable[Item]) -> list[str]:
    return sorted({item.kind for item in items if item.kind})
