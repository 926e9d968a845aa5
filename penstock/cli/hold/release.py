"""The release of a kind: its parked messages are sent back to the queue, in the order of their arrival.

A message is deleted from the table only after SQS has acknowledged it. A run that is cut off in between sends it
once more when it is repeated: the ledger lets an intent take effect once.
"""

from base64 import b64decode
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from penstock.cli.hold.store import HoldStore
from penstock.cli.support.errors import CONFLICT, Failure
from penstock.database.holds import Parked
from penstock.functions.hold_requests import PAGE
from penstock.queue import Attribute, Outgoing, Queue
from penstock.queue.rate_limiter import RateLimiter


class Release:
    """One run of a release.

    Attributes:
        sent: how many messages SQS has acknowledged so far.
    """

    def __init__(
        self, store: HoldStore, queue: Queue, kind: str, limiter: RateLimiter, advance: Callable[[int], None]
    ) -> None:
        """Prepare to release a kind.

        Args:
            store: the holds.
            queue: the queue that the drain reads.
            kind: the kind.
            limiter: the rate.
            advance: called with the number of messages that were sent.
        """
        self.sent = 0
        self._store = store
        self._queue = queue
        self._kind = kind
        self._limiter = limiter
        self._advance = advance

    def run(self, actor: str) -> None:
        """Send all parked messages, and end the hold.

        Args:
            actor: the operator.

        Raises:
            Failure: the kind is held again, or the queue accepts nothing.
        """
        while not self._store.end_release(self._kind, actor, self.sent):
            self._send_parked()

    def _send_parked(self) -> None:
        size = max(1, self._limiter.slice_size(PAGE))
        while page := self._next_page(size):
            self._limiter.wait_for(len(page))
            refused = self._queue.send([_outgoing(message) for message in page])
            sent = [message.message_id for index, message in enumerate(page) if index not in refused]
            self._store.forget(sent)
            self.sent += len(sent)
            self._advance(len(sent))
            if not sent:
                code = next(iter(refused.values())).code
                raise Failure(f"the queue accepts nothing ({code}); run this again to go on")

    def _next_page(self, size: int) -> Sequence[Parked]:
        held, page = self._store.page(self._kind, size)
        if held:
            raise Failure(f"{self._kind} was held again meanwhile; the other intents stay parked", CONFLICT)
        return page


def _outgoing(message: Parked) -> Outgoing:
    attributes = {name: _attribute(stored) for name, stored in message.attributes.items()}
    return Outgoing(message.body, attributes, message.group)


def _attribute(stored: Mapping[str, Any]) -> Attribute:
    value = b64decode(stored["base64"]) if "base64" in stored else stored["text"]
    return Attribute(value, stored["type"])
