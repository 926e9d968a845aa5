"""Importing the service's own modules."""

import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Annotated, Final

import typer

from penstock.cli.support.errors import USAGE, Failure
from penstock.project.config import Config

if TYPE_CHECKING:
    from penstock.consumer import Drain

_HELP: Final = "The drain, as imported from the service's folder. By default `drain` of [tool.penstock]."

TargetArgument = Annotated[str | None, typer.Argument(metavar="MODULE:ATTRIBUTE", help=_HELP)]
DrainOption = Annotated[str | None, typer.Option("--drain", metavar="MODULE:ATTRIBUTE", help=_HELP)]
MigrationsOption = Annotated[
    Path | None,
    typer.Option(
        "--migrations",
        exists=True,
        file_okay=False,
        resolve_path=True,
        envvar="PENSTOCK_MIGRATIONS",
        help="The folder of the service's migrations. By default `migrations` of [tool.penstock].",
    ),
]


_HINT: Final = "name another one as MODULE:ATTRIBUTE, or write `drain` under [tool.penstock] in pyproject.toml"


def find_config() -> Config:
    """Return the configuration of the service that the current folder belongs to.

    Raises:
        penstock.project.errors.ProjectError: it is not valid.
    """
    return Config.find(Path.cwd())


def find_migrations(given: Path | None) -> Path | None:
    """Return the folder of the service's migrations, which an option can give; None if there is none.

    Raises:
        penstock.project.errors.ProjectError: the configuration names a folder that does not exist.
    """
    return given or find_config().migrations_folder


def import_from_service(module_name: str, hint: str, *, plain: tuple[type[Exception], ...] = ()) -> ModuleType:
    """Import a module from the service's folder.

    Args:
        module_name: the module's name.
        hint: how to name another module.
        plain: errors whose own text is shown alone.

    Raises:
        Failure: there is no such module, or it cannot be imported.
    """
    folder = find_config().folder
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


def import_drain(given: str | None) -> "Drain":
    """Import the drain from the service's folder.

    Args:
        given: the drain as MODULE:ATTRIBUTE; None for the one that the service's configuration names.

    Raises:
        Failure: there is no such drain, or it cannot be imported.
    """
    from penstock.consumer import BindingError, Drain  # noqa: PLC0415 (a slow import that few commands need)

    module_name, _, attribute = (given or find_config().drain).partition(":")
    if not (module_name and attribute):
        raise Failure(f"{given!r} is not of the form MODULE:ATTRIBUTE, such as consumer.writes:drain", USAGE)
    module = import_from_service(module_name, _HINT, plain=(BindingError,))
    drain = getattr(module, attribute, None)
    if not isinstance(drain, Drain):
        problem = f"has no {attribute}" if drain is None else f"has a {type(drain).__name__} named {attribute}"
        raise Failure(f"{module_name} {problem}: name a penstock.consumer.Drain, as MODULE:ATTRIBUTE", USAGE)
    return drain
