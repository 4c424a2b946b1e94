"""Sealed answers: what a keyed request was answered, which may be a token, never lies in the store in clear.

The key is made of the service's own key and of what the client sent: reading the store, or even the store and
the service's key, opens nothing without the client's `Idempotency-Key`.
"""

import json
import os
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from rollout.adapters.token import TokenKey
from rollout.errors import DamagedError

NONCE_BYTES: Final = 12  # NIST SP 800-38D: 96 random bits; one key seals a handful of answers


@dataclass(frozen=True, slots=True)
class Seal:
    """The seal of one secret: the parts that only its asker knows together."""

    key: TokenKey
    parts: tuple[str, ...]

    @property
    def name(self) -> str:
        """What the secret may be stored under: 64 hex digits that tell nothing."""
        return self._derived("name").hex()

    def close(self, text: bytes) -> bytes:
        """Seal a text."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + AESGCM(self._derived("seal")).encrypt(nonce, text, None)

    def open(self, sealed: bytes) -> bytes:
        """Return a sealed text; DamagedError where it was sealed by another key, or changed."""
        try:
            return AESGCM(self._derived("seal")).decrypt(sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], None)
        except (InvalidTag, ValueError) as error:
            raise DamagedError("a kept answer cannot be opened: was the token key changed?", slug="sealed") from error

    def _derived(self, use: str) -> bytes:
        return self.key.hmac(json.dumps(["idempotency", use, *self.parts]).encode())
