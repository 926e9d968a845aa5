"""Dead letters: looking at them and sending them back, for the command line and for code of one's own."""

from penstock.deadletters.audit import Account, Finding, audit
from penstock.deadletters.found import Found, Origin
from penstock.deadletters.look import look
from penstock.deadletters.plan import Outcome, Plan
from penstock.deadletters.replay import LEASE_LOST, Replayed, Summary, replay
from penstock.deadletters.selector import Selector
from penstock.deadletters.verdict import Verdict

__all__ = [
    "LEASE_LOST",
    "Account",
    "Finding",
    "Found",
    "Origin",
    "Outcome",
    "Plan",
    "Replayed",
    "Selector",
    "Summary",
    "Verdict",
    "audit",
    "look",
    "replay",
]
