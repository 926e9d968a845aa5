"""Dead letters: looking at them and sending them back, for the command line and for code of one's own."""

from penstock.deadletters.message import DeadLetterMessage, Origin
from penstock.deadletters.replay.plan import Plan, ReplayOutcome
from penstock.deadletters.replay.replay import Replayed, Summary, replay
from penstock.deadletters.scan.leases import LEASE_LOST
from penstock.deadletters.scan.scan import look
from penstock.deadletters.selector import Selector

__all__ = [
    "LEASE_LOST",
    "DeadLetterMessage",
    "Origin",
    "Plan",
    "ReplayOutcome",
    "Replayed",
    "Selector",
    "Summary",
    "look",
    "replay",
]
