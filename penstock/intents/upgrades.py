"""Upgrades of old data: one upgrader per version, each to the next version."""

from typing import Any

from penstock.intents.intent import WriteIntent, kind_of


class UpgradeError(Exception):
    """Data of an old version cannot be upgraded. The message contains no value of the data.

    Attributes:
        reason: `unknown-version` if an upgrader is missing, `invalid-data` if the data is not an object, or
            `upgrade-failed`.
        fields: the errors, in words that contain no value.
    """

    def __init__(self, reason: str, *fields: str) -> None:
        super().__init__(reason, *fields)
        self.reason = reason
        self.fields = fields


def oldest_version(intent: type[WriteIntent]) -> int:
    """Return the oldest version whose data can be decoded."""
    return min(intent._upgraders, default=intent.intent_version)


def check_upgraders(intent: type[WriteIntent]) -> None:
    """Check that the upgraders of a class lead to its current version without a gap.

    Raises:
        TypeError: an upgrader is missing.
    """
    steps = range(oldest_version(intent), intent.intent_version)
    missing = [step for step in steps if step not in intent._upgraders]
    if missing:
        raise TypeError(
            f"{intent.__name__}: the upgraders of {kind_of(intent)!r} have a gap: there is none from "
            f"version {missing[0]} to {missing[0] + 1}; declare @{intent.__name__}.upgrader({missing[0]})"
        )


def upgrade(intent: type[WriteIntent], data: Any, version: int) -> Any:
    """Upgrade data of an old version to the current one.

    Raises:
        UpgradeError: an upgrader is missing, or one failed.
    """
    if version < oldest_version(intent):
        raise UpgradeError("unknown-version", f"dataversion no_upgrader_from_{version}")
    for step in range(version, intent.intent_version):
        if not isinstance(data, dict):
            raise UpgradeError("invalid-data", "data dict_type")
        try:
            data = intent._upgraders[step](data)
        except Exception as error:  # noqa: BLE001 (its message may contain values of the intent)
            raise UpgradeError("upgrade-failed", f"upgrader({step}) {type(error).__name__}") from None
        if not isinstance(data, dict):
            raise UpgradeError("upgrade-failed", f"upgrader({step}) returned_no_dict")
    return data
