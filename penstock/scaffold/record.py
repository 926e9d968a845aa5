"""What a service remembers of how it was made: the version, the answers, and a digest of each file."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from penstock.scaffold.service import AnswerError, Answers

NAME: Final = ".penstock-init.json"


@dataclass(frozen=True)
class Record:
    """How a service was made.

    Attributes:
        version: the version of Penstock that made it.
        answers: the answers that it was made from.
        digests: the SHA-256 of each file as it was made, by its path.
    """

    version: str
    answers: Answers
    digests: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path) -> "Record | None":
        """Read the record of a service; None if it has none.

        Raises:
            AnswerError: the file is no record.
        """
        file = folder / NAME
        if not file.exists():
            return None
        try:
            content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
            return cls(str(content["version"]), Answers(**content["answers"]), dict(content["files"]))
        except (ValueError, KeyError, TypeError) as error:
            raise AnswerError(
                f"{file} is no record of `penstock init`: restore it from your repository"
            ) from error

    def text(self) -> str:
        """Return the content of its file."""
        content = {"version": self.version, "answers": asdict(self.answers), "files": self.digests}
        return json.dumps(content, indent=2, sort_keys=True) + "\n"


def digest(text: str) -> str:
    """Return the digest of a file's text."""
    return hashlib.sha256(text.encode()).hexdigest()
