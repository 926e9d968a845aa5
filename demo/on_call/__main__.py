"""`make on-call`: run the incidents on a local stack, and draw the pictures of docs/operations.md."""

import sys
from pathlib import Path

from rich.console import Console

from demo.on_call.incidents import INCIDENTS, picture_file
from demo.on_call.service import service
from penstock.local.errors import LocalError

_DOCS = Path(__file__).parent.parent.parent / "docs"
_stderr = Console(stderr=True)


def main() -> int:
    """Run all incidents; return the exit code."""
    try:
        with service(_progress) as running:
            for name, incident in INCIDENTS.items():
                _progress(name)
                picture = incident(running).picture((incident.__doc__ or "").rstrip("."))
                picture_file(_DOCS, name).write_text(picture, encoding="utf-8")
    except (LocalError, RuntimeError, TimeoutError) as error:
        _stderr.print(f"[red]The incidents cannot run:[/red] {error}")
        return 1
    return 0


def _progress(step: str) -> None:
    _stderr.print(f"[dim]{step}[/dim]")


if __name__ == "__main__":
    sys.exit(main())
