"""An intent class and the settings of a producer with a queue in memory."""

from penstock import WriteIntent
from penstock.settings import Settings


class NoteTaken(WriteIntent, kind="note.taken"):
    text: str


SETTINGS = Settings(receipt_key="key", source="/test")
