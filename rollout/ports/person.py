"""People: tokens, votes and the audit chain."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


@dataclass(frozen=True, slots=True)
class TokenRecord:
    """An issued token; its secret is stored only as an HMAC. Times are unix seconds."""

    id: str
    name: str
    role: str
    hmac: bytes
    uses_left: int | None
    created_at: float
    created_by: str
    expires_at: float
    revoked_at: float | None = None


@dataclass(frozen=True, slots=True)
class Vote:
    """One person's consent to one act at one evidence revision; `rollout` is empty for unfreeze."""

    rollout: str
    act: str
    ring: str
    revision: int
    person: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One link of the hash chain; `person` None is the program itself."""

    seq: int
    at: float
    rollout: str | None
    kind: str
    person: str | None
    detail: Mapping[str, Any]
    previous: str
    hash: str


class People(Protocol):
    """The token, vote and audit tables."""

    def token(self, hmac: bytes) -> TokenRecord | None:
        """A token by the HMAC of its secret, revoked and expired ones included."""
        ...

    def add_token(self, record: TokenRecord) -> None:
        """Store a new token."""
        ...

    def use_token(self, token: str) -> bool:
        """Count one use; False when none is left."""
        ...

    def revoke_token(self, token: str) -> bool:
        """End a token; False when there is none of this id."""
        ...

    def tokens(self) -> Sequence[TokenRecord]:
        """All, oldest first."""
        ...

    def holders(self, role: str) -> Sequence[str]:
        """Names of persons with a live token of this role, or of admin."""
        ...

    def vote(self, cast: Vote) -> None:
        """Record a vote; the same person's second one at the same revision only renews its time."""
        ...

    def votes(self, rollout: str, act: str, ring: str, revision: int, since: float) -> Sequence[Vote]:
        """Votes for this act at this revision, cast since `since`."""
        ...

    def record(
        self,
        kind: str,
        *,
        rollout: str | None = None,
        person: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Append a link to the audit chain; its `seq`."""
        ...

    def audit(self, rollout: str | None = None, after: int = 0, limit: int = 1000) -> Sequence[AuditRow]:
        """Links after `after`, in order."""
        ...
