"""Who may use the console: links that work once, and the sessions that they were exchanged for."""

from dataclasses import dataclass, field
from hashlib import sha256
from hmac import compare_digest
from secrets import token_urlsafe
from threading import Lock


@dataclass(frozen=True, slots=True)
class Session:
    """A browser that may use the console.

    Attributes:
        csrf_token: what each form of its pages has to carry.
    """

    csrf_token: str = field(default_factory=token_urlsafe, repr=False)

    def accepts(self, token: str) -> bool:
        """Return whether a form is one of this session's pages."""
        return compare_digest(self.csrf_token.encode(), token.encode(errors="replace"))


class Sessions:
    """The unused links and the sessions of one console; only digests of the secrets are kept."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._links: set[bytes] = set()
        self._sessions: dict[bytes, Session] = {}

    def new_link(self) -> str:
        """Return the token of a link that works once."""
        token = token_urlsafe(32)
        with self._lock:
            self._links.add(_digest(token))
        return token

    def exchange(self, token: str) -> str | None:
        """Use up a link, and return the secret of a new session; None if the link is unknown or was used."""
        with self._lock:
            if _digest(token) not in self._links:
                return None
            self._links.remove(_digest(token))
            secret = token_urlsafe(32)
            self._sessions[_digest(secret)] = Session()
            return secret

    def find(self, secret: str | None) -> Session | None:
        """Return the session of this secret; None if there is none."""
        return self._sessions.get(_digest(secret)) if secret else None


def _digest(secret: str) -> bytes:
    return sha256(secret.encode(errors="replace")).digest()
