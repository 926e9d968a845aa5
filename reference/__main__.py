"""`make reference`: write the pages that are made from the code."""

from pathlib import Path
from typing import Final

from reference.command_line import command_line_page
from reference.settings import settings_page

FOLDER: Final = Path(__file__).parent.parent / "docs" / "reference"


def pages() -> dict[str, str]:
    """Return the text of each page, by the name of its file."""
    return {"cli.md": command_line_page(), "settings.md": settings_page()}


if __name__ == "__main__":
    for name, text in pages().items():
        (FOLDER / name).write_text(text)
