"""Starts the local AWS. The interpreter of its own environment runs this file as a script.

The emulator asks for a permission for each batch operation of SQS, e.g. `sqs:SendMessageBatch`. In AWS there is no
such action: a batch requires the permission of the single operation. A role that is enough in AWS is enough here.

For a call of KMS with an alias it asks for a permission on the alias. AWS asks for one on the key.

It also lets only 100 new connections wait. In a spike of clients the kernel drops the others, each for a second.
"""

from typing import Any

from hypercorn.config import Config
from ministack.app import main
from ministack.core import iam_actions
from ministack.services import kms

_WAITING_CONNECTIONS = 4096
_BATCH = "Batch"
_extract = iam_actions.extract_iam_action
_extract_resource = iam_actions.extract_resource_arn


def _action(service: str, *request: Any, **more: Any) -> str | None:
    """Return the permission that a request requires in AWS."""
    action: str | None = _extract(service, *request, **more)
    return action.removesuffix(_BATCH) if action and service == "sqs" else action


def _resource_arn(service: str, *request: Any, **more: Any) -> str:
    """Return the resource on which AWS requires the permission."""
    arn: str = _extract_resource(service, *request, **more)
    key = kms._resolve_key(arn) if service == "kms" and ":alias/" in arn else None
    return str(key["Arn"]) if key else arn


iam_actions.extract_iam_action = _action
iam_actions.extract_resource_arn = _resource_arn
Config.backlog = _WAITING_CONNECTIONS

if __name__ == "__main__":
    main()
