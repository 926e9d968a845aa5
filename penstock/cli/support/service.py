"""Importing the service's own modules."""

import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from penstock.cli.support.errors import USAGE, Failure
from penstock.cli.support.project import Project

if TYPE_CHECKING:
    from penstock.consumer import Drain

DRAIN: Final = "consumer.writes:drain"

TargetArgument = Annotated[
    str, typer.Argument(metavar="MODULE:ATTRIBUTE", help="The drain, seen from the service's folder.")
]
DrainOption = Annotated[
    str, typer.Option("--drain", metavar="MODULE:ATTRIBUTE", help="The drain, seen from the service's folder.")
]


def import_from_service(module_name: str, hint: str, *, plain: tuple[type[Exception], ...] = ()) -> ModuleType:
    """Import a module, from the service's folder.

    Args:
        module_name: its name.
        hint: how to name another one.
        plain: errors whose own text says all there is to say.

    Raises:
        Failure: there is none of that name, or it cannot be imported.
    """
    folder = Project.find(Path.cwd()).folder
    sys.path.insert(0, str(folder))
    try:
        # Whatever the service prints when it is imported is no data of ours.
        with redirect_stdout(sys.stderr):
            return import_module(module_name)
    except plain as error:
        raise Failure(str(error)) from error
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
            raise Failure(f"there is no module {module_name} in {folder}: {hint}", USAGE) from None
        raise Failure(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error


def import_drain(target: str) -> "Drain":
    """Import the drain, from the service's folder.

    Raises:
        Failure: there is none of that name, or it cannot be imported.
    """
    from penstock.consumer import BindingError, Drain  # noqa: PLC0415 (it takes long, and few commands need it)

    module_name, _, attribute = target.partition(":")
    if not (module_name and attribute):
        raise Failure(f"{target!r} is not of the form MODULE:ATTRIBUTE, such as consumer.writes:drain", USAGE)
    module = import_from_service(module_name, "name it: MODULE:ATTRIBUTE", plain=(BindingError,))
    drain = getattr(module, attribute, None)
    if not isinstance(drain, Drain):
        what = "has no" if drain is None else "has another thing named"
        raise Failure(f"{module_name} {what} {attribute}: a penstock.consumer.Drain is needed", USAGE)
    return drain
