"""Callers: a host by its signature, a collector by its token; proved before anything is read of what they say."""

import asyncio
import hmac
from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from rollout.adapters.signature import claim as signature
from rollout.adapters.signature.key import PublicKey, public_key
from rollout.errors import SurroundingsError, UnauthenticatedError
from rollout.operation.enrol import bearer
from rollout.ports.store import Store, Transaction

_MOST_KEYS: Final = 1_000_000
COLLECTOR: Final = frozenset({"collector"})

Headers = Iterable[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Signer:
    """A host that proved its key; `created` is its signature's time, unix seconds by its own clock."""

    host: str
    public_key: bytes
    created: float

    @property
    def name(self) -> Hashable:
        """Under which its share of the queues is counted."""
        return self.host


@dataclass(frozen=True, slots=True)
class Collector:
    """A live token of role collector, by its HMAC."""

    digest: bytes

    @property
    def name(self) -> Hashable:
        """Under which its share of the queues is counted."""
        return self.digest


Caller = Signer | Collector


class Tokens:
    """HMACs of bearer tokens under the service's token key (INTERFACES section 4)."""

    def __init__(self, data: Path) -> None:
        path = data / "keys" / "token.key"
        try:
            self._key = path.read_bytes()
        except OSError as error:
            raise SurroundingsError(
                f"the token key {path} cannot be read: {error.strerror}; `rollout up` makes it"
            ) from error

    def digest(self, headers: Headers) -> bytes:
        """The HMAC of the request's token; UnauthenticatedError without one."""
        found = [value for name, value in headers if name == b"authorization"]
        scheme, _, token = found[0].partition(b" ") if len(found) == 1 else (b"", b"", b"")
        if scheme.lower() != b"bearer" or not token.strip() or len(token) > 4096:
            raise UnauthenticatedError("this needs a host's signature or a bearer token", slug="unauthenticated")
        return hmac.digest(self._key, token.strip(), "sha256")


class Keys:
    """Public keys of hosts, remembered. One that was replaced since is caught where its message is recorded."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._known: dict[str, tuple[bytes, PublicKey]] = {}

    async def check(self, claim: signature.Claim, path: str, body: bytes, now: float) -> Signer:
        """Prove a claim; UnauthenticatedError where it does not hold."""
        known = self._known.get(claim.keyid)
        if known is not None:
            try:
                claim.check(known[1], "POST", path, body, now)
                return Signer(claim.keyid, known[0], claim.created)
            except UnauthenticatedError:
                raw, key = await self._load(claim.keyid)  # it may have a new key
                if raw == known[0]:
                    raise
        else:
            raw, key = await self._load(claim.keyid)
        claim.check(key, "POST", path, body, now)
        if len(self._known) >= _MOST_KEYS:
            self._known.clear()
        self._known[claim.keyid] = (raw, key)
        return Signer(claim.keyid, raw, claim.created)

    def knows(self, host: str) -> bool:
        """Whether this host's key was read before."""
        return host in self._known

    def forget(self, host: str) -> None:
        """Read this host's key anew next time."""
        self._known.pop(host, None)

    async def _load(self, host: str) -> tuple[bytes, PublicKey]:
        def look(tx: Transaction) -> bytes | None:
            record = tx.hosts.find(host)
            return None if record is None or record.retired_at is not None else record.public_key

        raw = await asyncio.to_thread(self._store.read, look)
        if not raw:
            self.forget(host)
            raise UnauthenticatedError(f"no key is enrolled for {host}", slug="signature")
        return raw, public_key(raw)


async def collector(store: Store, digest: bytes) -> Collector:
    """Prove that the token is a live one of role collector."""
    await asyncio.to_thread(store.read, lambda tx: bearer(tx, digest, COLLECTOR))
    return Collector(digest)
