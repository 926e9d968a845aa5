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
_HELP: Final = "The drain, as imported from the service's folder."

TargetArgument = Annotated[str, typer.Argument(metavar="MODULE:ATTRIBUTE", help=_HELP)]
DrainOption = Annotated[str, typer.Option("--drain", metavar="MODULE:ATTRIBUTE", help=_HELP)]


def import_from_service(module_name: str, hint: str, *, plain: tuple[type[Exception], ...] = ()) -> ModuleType:
    """Import a module from the service's folder.

    Args:
        module_name: the module's name.
        hint: how to name another module.
        plain: errors whose own text is shown alone.

    Raises:
        Failure: there is no such module, or it cannot be imported.
    """
    folder = Project.find(Path.cwd()).folder
    sys.path.insert(0, str(folder))
    try:
        # The service may print when it is imported, and stdout is for the command's data.
        with redirect_stdout(sys.stderr):
            return import_module(module_name)
    except plain as error:
        raise Failure(str(error)) from error
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and f"{module_name}.".startswith(f"{error.name}."):
            raise Failure(f"there is no module {module_name} in {folder}: {hint}", USAGE) from None
        cause = f"{type(error).__name__}: {error}"
        raise Failure(f"{module_name} cannot be imported: {cause}\n(--debug shows the traceback)") from error


def import_drain(target: str) -> "Drain":
    """Import the drain from the service's folder.

    Raises:
        Failure: there is no such drain, or it cannot be imported.
    """
    from penstock.consumer import BindingError, Drain  # noqa: PLC0415 (a slow import that few commands need)

    module_name, _, attribute = target.partition(":")
    if not (module_name and attribute):
        raise Failure(f"{target!r} is not of the form MODULE:ATTRIBUTE, such as consumer.writes:drain", USAGE)
    module = import_from_service(module_name, "name another one, as MODULE:ATTRIBUTE", plain=(BindingError,))
    drain = getattr(module, attribute, None)
    if not isinstance(drain, Drain):
        problem = f"has no {attribute}" if drain is None else f"has a {type(drain).__name__} named {attribute}"
        raise Failure(f"{module_name} {problem}: name a penstock.consumer.Drain, as MODULE:ATTRIBUTE", USAGE)
    return drain
