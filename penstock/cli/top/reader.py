"""What `penstock top` reads of a stage again and again, without receiving a message."""

from datetime import datetime
from functools import cached_property
from types import TracebackType
from typing import Any, Self

from botocore.exceptions import BotoCoreError, ClientError

from penstock.cli.status.snapshot import Snapshot, SnapshotReader
from penstock.cli.support.describe_error import describe_error
from penstock.cli.support.options import Target
from penstock.cli.support.stage import Stage
from penstock.cli.top.tenants import Tenants, read_tenants


class StageReader:
    """Reads a stage; use it with `with`."""

    def __init__(self, at: Target, database_url: str | None) -> None:
        """Open the stage.

        Raises:
            Failure: there is no such stack, or it does not belong to a Penstock service.
        """
        self._snapshots = SnapshotReader(at, database_url)
        self._target = at

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._snapshots.__exit__(kind, error, trace)

    def read(self) -> Snapshot:
        """Return the state now; a part that cannot be read is in its `errors`."""
        return self._snapshots.read()

    def tenants(self, now: datetime) -> Tenants:
        """Return what CloudWatch knows of the tenants, or why nothing is known."""
        try:
            return read_tenants(self._cloudwatch, self._queue_url, now)
        except (BotoCoreError, ClientError) as error:
            return Tenants(reason=describe_error(error))

    @cached_property
    def _stage(self) -> Stage:
        return self._target.open()

    @cached_property
    def _cloudwatch(self) -> Any:
        return self._stage.client("cloudwatch")

    @cached_property
    def _queue_url(self) -> str:
        return self._stage.outputs("QueueUrl")[0]
