"""A producer over a queue in memory."""

from penstock import WriteIntent
from penstock.settings import Settings


class NoteTaken(WriteIntent, kind="note.taken"):
    text: str


SETTINGS = Settings(receipt_key="key", source="/test")
