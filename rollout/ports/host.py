"""Hosts: who they are, and when and how they last spoke."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from rollout.telemetry import Presence

__all__ = ["HostRecord", "Hosts", "Presence", "StoredCrash", "Touch"]

Touch: TypeAlias = tuple[int, float, str | None, float, int]
"""(seq, uptime, measures, at, host) of a host that changed in nothing else."""


@dataclass(frozen=True, slots=True)
class HostRecord:
    """An enrolled host. `algorithm` is ed25519 or ecdsa-p256-sha256; `retired_at` unix seconds."""

    key: int
    id: str
    algorithm: str
    public_key: bytes
    attributes: Mapping[str, Any]
    stratum: str
    enrolled_at: float
    retired_at: float | None = None
    token: str | None = None


@dataclass(frozen=True, slots=True)
class StoredCrash:
    """A crash report as kept; `crashed_at` is corrected to the server's clock, unix seconds."""

    host: int
    report: str
    kind: str
    crashed_at: float
    body: Mapping[str, Any]


class Hosts(Protocol):
    """The host, presence, running and crash tables."""

    def find(self, host: str) -> HostRecord | None:
        """A host by its id."""
        ...

    def by_key(self, key: int) -> HostRecord | None:
        """A host by its integer key."""
        ...

    def keys(self, hosts: Collection[str]) -> Mapping[str, int]:
        """Integer keys of the known, unretired ones."""
        ...

    def names(self, keys: Collection[int]) -> Mapping[int, str]:
        """Ids by integer key."""
        ...

    def records(self, keys: Collection[int]) -> Mapping[int, HostRecord]:
        """Hosts by integer key."""
        ...

    def credentials(self, keys: Collection[int]) -> Mapping[int, bytes]:
        """Public keys of the unretired ones, as stored now; empty bytes after a rekey."""
        ...

    def find_all(self, hosts: Collection[str]) -> Mapping[str, HostRecord]:
        """Hosts by id; unknown ones are missing."""
        ...

    def enrol(self, host: HostRecord) -> int:
        """Insert (its `key` is ignored): the new key."""
        ...

    def enrol_all(self, hosts: Sequence[HostRecord]) -> Mapping[str, int]:
        """Insert new hosts (their `key` is ignored): the new keys by id."""
        ...

    def replace_attributes(self, key: int, attributes: Mapping[str, Any], stratum: str) -> None:
        """New attributes of a host."""
        ...

    def rekey(self, key: int) -> None:
        """Forget the public key: the next enrolment sets it, and `seq` starts again."""
        ...

    def set_key(self, key: int, algorithm: str, public_key: bytes, token: str | None) -> None:
        """The new public key of a host whose old one was forgotten."""
        ...

    def retire(self, key: int) -> None:
        """It is gone for good."""
        ...

    def presence(self, keys: Sequence[int]) -> Mapping[int, Presence]:
        """How these last spoke; those that never spoke are missing."""
        ...

    def save_presence(self, rows: Iterable[Presence]) -> None:
        """Replace how they last spoke."""
        ...

    def touch(self, rows: Iterable[Touch]) -> None:
        """Note what hosts said that changed in nothing else."""
        ...

    def measures(self, keys: Collection[int]) -> Mapping[int, Mapping[str, float]]:
        """What these measured, by their latest beat; those that said nothing of it are missing."""
        ...

    def told(self, keys: Sequence[int]) -> Mapping[int, str]:
        """The rings these were last told, canonical JSON."""
        ...

    def tell(self, told: Mapping[int, str]) -> None:
        """Note the rings these were told now."""
        ...

    def set_running(self, running: Mapping[int, Mapping[str, int]]) -> None:
        """What these hosts run now, all products, by host key."""
        ...

    def running(self, product: str) -> Mapping[int, int]:
        """Counter by host key of everybody that reported this product."""
        ...

    def all(self) -> Sequence[tuple[HostRecord, Presence | None]]:
        """Everybody, retired ones included, by key."""
        ...

    def keep_crash(self, crash: StoredCrash) -> bool:
        """Store a report; False when this host's report id was stored before."""
        ...

    def crashed_between(self, since: float, before: float) -> Collection[int]:
        """Keys of hosts with a bugcheck from `since` until before `before`, unix seconds."""
        ...

    def booted(self) -> Collection[tuple[int, float]]:
        """(key, when its present boot began in unix seconds) of everybody that said so."""
        ...

    def absent(self) -> Collection[int]:
        """Keys of hosts that announced sleep or shutdown and have not spoken since."""
        ...
