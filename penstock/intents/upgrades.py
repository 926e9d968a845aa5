"""Reading what was written before a kind changed: each version's data is upgraded to that of the next one."""

from typing import Any

from penstock.intents.intent import WriteIntent, kind_of


class UpgradeError(Exception):
    """Data of an old version cannot be made into that of the present one; no value of it is in the message.

    Attributes:
        reason: `unknown-version` where the upgrader is missing, `invalid-data` where the data is no object, or
            `upgrade-failed`.
        fields: what is wrong, in words that hold no value.
    """

    def __init__(self, reason: str, *fields: str) -> None:
        super().__init__(reason, *fields)
        self.reason = reason
        self.fields = fields


def oldest_version(intent: type[WriteIntent]) -> int:
    """Return the oldest version whose data can be read."""
    return min(intent._upgraders, default=intent.intent_version)


def check_upgraders(intent: type[WriteIntent]) -> None:
    """Hold a chain of upgraders against the version that it must lead to.

    Raises:
        TypeError: a step is missing.
    """
    steps = range(oldest_version(intent), intent.intent_version)
    missing = [step for step in steps if step not in intent._upgraders]
    if missing:
        raise TypeError(
            f"{intent.__name__}: the chain of upgraders of {kind_of(intent)!r} has a gap: nothing leads from "
            f"version {missing[0]} to {missing[0] + 1}; declare @{intent.__name__}.upgrader({missing[0]})"
        )


def upgraded(intent: type[WriteIntent], data: Any, version: int) -> Any:
    """Make the data of an old version into that of the present one.

    Raises:
        UpgradeError: no upgrader leads there, or one of them failed.
    """
    if version < oldest_version(intent):
        raise UpgradeError("unknown-version", f"dataversion no_upgrader_from_{version}")
    for step in range(version, intent.intent_version):
        if not isinstance(data, dict):
            raise UpgradeError("invalid-data", "data dict_type")
        try:
            data = intent._upgraders[step](data)
        except Exception as error:  # noqa: BLE001 (its text may hold values of the intent)
            raise UpgradeError("upgrade-failed", f"upgrader({step}) {type(error).__name__}") from None
        if not isinstance(data, dict):
            raise UpgradeError("upgrade-failed", f"upgrader({step}) returned_no_dict")
    return data
