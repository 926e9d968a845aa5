"""Starts the local AWS. The interpreter of its own environment runs this file as a script.

The emulator asks for a permission for each batch operation of SQS, e.g. `sqs:SendMessageBatch`. In AWS there is no
such action: a batch requires the permission of the single operation. A role that is enough in AWS is enough here.

It also lets only 100 new connections wait. In a spike of clients the kernel drops the others, each for a second.
"""

from typing import Any

from hypercorn.config import Config
from ministack.app import main
from ministack.core import iam_actions

_WAITING_CONNECTIONS = 4096
_BATCH = "Batch"
_extract = iam_actions.extract_iam_action


def _action(service: str, *request: Any, **more: Any) -> str | None:
    """Return the permission that a request requires in AWS."""
    action: str | None = _extract(service, *request, **more)
    return action.removesuffix(_BATCH) if action and service == "sqs" else action


iam_actions.extract_iam_action = _action
Config.backlog = _WAITING_CONNECTIONS

if __name__ == "__main__":
    main()
