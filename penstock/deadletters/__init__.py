"""Dead letters: looking at them and sending them back, for the command line and for code of one's own."""

from penstock.deadletters.found import Found, Origin
from penstock.deadletters.leases import LEASE_LOST
from penstock.deadletters.look import look
from penstock.deadletters.plan import Outcome, Plan
from penstock.deadletters.replay import Replayed, Summary, replay
from penstock.deadletters.selector import Selector

__all__ = [
    "LEASE_LOST",
    "Found",
    "Origin",
    "Outcome",
    "Plan",
    "Replayed",
    "Selector",
    "Summary",
    "look",
    "replay",
]
