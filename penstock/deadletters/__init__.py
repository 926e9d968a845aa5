"""Dead letters: looking at them and sending them back, for the command line and for code of one's own."""

from penstock.deadletters.found import Found
from penstock.deadletters.look import look
from penstock.deadletters.replay import LEASE_LOST, Outcome, Replayed, Summary, replay
from penstock.deadletters.selector import Everything, Ids, Selector

__all__ = [
    "LEASE_LOST",
    "Everything",
    "Found",
    "Ids",
    "Outcome",
    "Replayed",
    "Selector",
    "Summary",
    "look",
    "replay",
]
