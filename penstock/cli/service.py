"""Importing the service's own modules."""

import sys
from contextlib import redirect_stdout
from importlib import import_module
from pathlib import Path
from types import ModuleType

from penstock.cli.failure import USAGE, Failure
from penstock.cli.project import Project


def import_from_service(module_name: str, way_out: str, *, plain: tuple[type[Exception], ...] = ()) -> ModuleType:
    """Import a module, from the service's folder.

    Args:
        module_name: its name.
        way_out: how to name another one.
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
            raise Failure(f"there is no module {module_name} in {folder}: {way_out}", USAGE) from None
        raise Failure(f"{module_name} cannot be imported: {type(error).__name__}: {error}") from error
