"""A small project outside the checkout, whose tests pytest runs in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path


def run_pytest(
    folder: Path, files: Mapping[str, str], *, every_plugin: bool = False, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Write the files of a project, and run its tests with this process's Python.

    Pytest loads the plugins of all installed distributions, or else this framework's alone, which takes less time.
    """
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("PYTEST", "PENSTOCK_"))}
    words = ["-p", "no:cacheprovider", "-q", "-W", "error"]
    if not every_plugin:
        environment["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        words += ["-p", "penstock.testing.plugin"]
    return subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=folder,
        env={**clean, "COLUMNS": "200", **environment},
        capture_output=True,
        text=True,
        check=False,
    )
