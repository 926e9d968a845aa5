"""The colours of `penstock top`, and the theme that is made of them."""

from typing import Final

from textual.theme import Theme

from penstock.cli.status.verdict import State

BACKGROUND: Final = "#11151c"
SURFACE: Final = "#1a202a"
TEXT: Final = "#d5dae1"
DIM: Final = "#8a94a3"
FAINT: Final = "#4a5361"
GOOD: Final = "#7cc38a"
WARN: Final = "#e3b35c"
BAD: Final = "#ee7d7d"
BLUE: Final = "#74b3ea"
VIOLET: Final = "#b69be8"

STATES: Final = {State.OK: GOOD, State.DEGRADED: WARN, State.STOPPED: BAD}
BREAKER: Final = {"closed": GOOD, "half-open": WARN, "changing": WARN}
"""The colour of a position of the breaker; any other is bad."""

THEME: Final = Theme(
    name="penstock",
    primary=BLUE,
    secondary=VIOLET,
    accent=BLUE,
    foreground=TEXT,
    background=BACKGROUND,
    surface=SURFACE,
    panel=SURFACE,
    success=GOOD,
    warning=WARN,
    error=BAD,
    dark=True,
    variables={
        "footer-background": SURFACE,
        "footer-key-foreground": BLUE,
        "footer-description-foreground": DIM,
        "block-cursor-background": "#2b3a4d",
        "block-cursor-foreground": TEXT,
        "block-cursor-text-style": "none",
        "scrollbar": "#2b3340",
        "scrollbar-background": BACKGROUND,
    },
)
