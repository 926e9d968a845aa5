"""Packs on a dead-letter queue: SQS moves one there if the drain could not decide on it.

The tools see the intents, each as a message of its own. What only reads takes a pack apart in memory. What deletes
takes it apart on the queue first, since a message can only be deleted as a whole.
"""

from collections.abc import Sequence
from dataclasses import replace
from uuid import uuid4

from penstock.deadletters.scan.leases import Leases
from penstock.intents.packs import singles
from penstock.queue import Outgoing, Queue, Received


def apart(message: Received) -> list[Received]:
    """Return the intents of a pack as messages of their own; of any other message itself."""
    bodies = singles(message.body)
    if bodies == [message.body]:
        return [message]
    return [
        replace(message, message_id=f"{message.message_id}#{number}", body=body)
        for number, body in enumerate(bodies)
    ]


def take_apart(page: Sequence[Received], queue: Queue, leases: Leases) -> list[Received]:
    """Replace the packs of a page by messages of their own on the same queue, which a later page has.

    Args:
        page: the newest page of the leases.
        queue: the dead-letter queue.
        leases: the leases.

    Returns:
        The page without these packs. A pack that could not be replaced stays as it is. If it could not be deleted,
        its intents are there twice, which does no harm: the ledger claims each id once.
    """
    packs = {message.message_id: bodies for message in page if (bodies := singles(message.body)) != [message.body]}
    if not packs:
        return list(page)
    sent = [(one, body) for one in page for body in packs.get(one.message_id, ())]
    refused = queue.send([_outgoing(one, body, fifo=queue.fifo) for one, body in sent])
    staying = {sent[index][0].message_id for index in refused}
    replaced = [one for one in page if one.message_id in packs and one.message_id not in staying]
    leases.delete(replaced)
    return [one for one in page if one not in replaced]


def _outgoing(pack: Received, body: str, *, fifo: bool) -> Outgoing:
    return Outgoing(body, pack.attributes, pack.group, str(uuid4()) if fifo else None)
