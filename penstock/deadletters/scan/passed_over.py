"""The messages that a run read and did not select."""

from dataclasses import dataclass

from penstock.deadletters.message import DeadLetterMessage


@dataclass(slots=True)
class PassedOver:
    """How many messages a run has read and not selected.

    Attributes:
        count: how many.
        unparsed: how many of them cannot be parsed: they are no intents, or have no id that could be read.
    """

    count: int = 0
    unparsed: int = 0

    def add(self, found: DeadLetterMessage) -> None:
        """Count one more."""
        self.count += 1
        self.unparsed += not found.is_parsed
