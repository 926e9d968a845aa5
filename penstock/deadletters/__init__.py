"""Dead letters: scan them and send them back, from the command line or from your own code."""

from penstock.deadletters.message import DeadLetterMessage, Origin
from penstock.deadletters.replay.plan import Plan, ReplayOutcome
from penstock.deadletters.replay.replay import Replayed, Summary, replay
from penstock.deadletters.scan.leases import LEASE_LOST
from penstock.deadletters.scan.scan import scan
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
    "replay",
    "scan",
]
