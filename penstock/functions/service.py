"""Where an entry point finds the parts of the service that it is deployed with.

The names are settings of the deployment. They never come from an event.
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Final

from penstock.settings import SettingsError

if TYPE_CHECKING:
    # The probe loads the drain only when there is something to tell.
    from penstock.consumer import Drain

DRAIN_VARIABLE: Final = "PENSTOCK_DRAIN"
MIGRATIONS_VARIABLE: Final = "PENSTOCK_MIGRATIONS"
DEFAULT_DRAIN: Final = "consumer.writes:drain"
DEFAULT_MIGRATIONS: Final = "infra/migrations"


def drain_target() -> str:
    """Return the service's drain, as MODULE:ATTRIBUTE: the environment's, or the usual name."""
    return os.environ.get(DRAIN_VARIABLE) or DEFAULT_DRAIN


def migrations_folder() -> str:
    """Return the folder of the service's migrations in the artifact: the environment's, or the usual one."""
    return os.environ.get(MIGRATIONS_VARIABLE) or DEFAULT_MIGRATIONS


def load_drain(target: str) -> "Drain":
    """Import a drain.

    Args:
        target: The drain, as MODULE:ATTRIBUTE.

    Raises:
        SettingsError: There is no such drain, or it writes nothing.
    """
    from penstock.consumer import Drain  # noqa: PLC0415 (see above)

    module, _, attribute = target.partition(":")
    drain = getattr(_import(module, target), attribute, None)
    if not isinstance(drain, Drain) or not drain.bound():
        raise SettingsError(f"{target} is no penstock.consumer.Drain that writes anything: name the deployed one")
    return drain


def _import(module: str, target: str) -> object:
    """Import the module of a drain; what the module itself fails to import stays an error of its own."""
    try:
        return import_module(module)
    except (ModuleNotFoundError, ValueError) as error:
        missing = getattr(error, "name", None) or module
        if not f"{module}.".startswith(f"{missing}."):
            raise
        message = f"{target}: there is no module {module!r} in the artifact: name the drain as MODULE:ATTRIBUTE"
        raise SettingsError(message) from None
