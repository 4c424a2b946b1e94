"""Tokens: 256 random bits for their bearer, an HMAC of them for the store (INTERFACES section 4)."""

import hmac
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from rollout.errors import SurroundingsError

SECRET_BYTES = 32
IDENTITY_BYTES = 8


@dataclass(frozen=True, slots=True)
class Secret:
    """A new token: `text` is shown once, `hmac` is stored under `id`."""

    id: str
    text: str = field(repr=False)
    hmac: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class TokenKey:
    """The key under which the service stores tokens: who reads the store alone can use none of them."""

    _key: bytes = field(repr=False)

    @classmethod
    def load(cls, data: Path) -> Self:
        """Read `<data>/keys/token.key`; SurroundingsError where it cannot be read."""
        path = data / "keys" / "token.key"
        try:
            return cls(path.read_bytes())
        except OSError as error:
            raise SurroundingsError(
                f"the token key {path} cannot be read: {error.strerror}; `rollout up` makes it", slug="token-key"
            ) from error

    def hmac(self, secret: bytes) -> bytes:
        """The HMAC-SHA-256 of a secret as its bearer sends it."""
        return hmac.digest(self._key, secret, "sha256")

    def make(self) -> Secret:
        """A new secret of 256 random bits, URL-safe."""
        text = secrets.token_urlsafe(SECRET_BYTES)
        return Secret(secrets.token_hex(IDENTITY_BYTES), text, self.hmac(text.encode()))
