"""`make cost`: writes docs/cost.md, what a million writes cost on AWS beside two other designs."""

from pathlib import Path
from typing import Final

from benchmarks.cost.page import make_page

PAGE: Final = Path(__file__).parents[2] / "docs" / "cost.md"


if __name__ == "__main__":
    PAGE.write_text(make_page())
