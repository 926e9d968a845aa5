"""The table that all contenders write to, and the intent by which Penstock does."""

from typing import Final
from uuid import UUID

from sqlalchemy import Column, DateTime, Integer, MetaData, Table, Text, Uuid, func

from benchmarks.storm.model import ROLE
from penstock import WriteIntent

metadata = MetaData()

# Without a key: a row that is written twice has to be there twice, so that it is counted.
table: Final = Table(
    ROLE,
    metadata,
    Column("request_id", Uuid, nullable=False),
    Column("instance", Integer, nullable=False),
    Column("note", Text, nullable=False),
    Column("written_at", DateTime(timezone=True), server_default=func.clock_timestamp(), nullable=False),
)


class Requested(WriteIntent, kind="storm.requested"):
    """The row of one request."""

    request_id: UUID
    instance: int
    note: str
