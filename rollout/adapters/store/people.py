"""Tokens, votes and the audit chain, in SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, or_, select, update

from rollout.adapters.store.schema import audit, token, vote
from rollout.adapters.store.table import TableFamily
from rollout.audit import ORIGIN, link
from rollout.ports.person import AuditRow, TokenRecord, Vote


class PeopleTable(TableFamily):
    """ports.person.People."""

    def token(self, hmac: bytes) -> TokenRecord | None:
        """A token by the HMAC of its secret."""
        row = self._row(select(token).where(token.c.hmac == hmac))
        return None if row is None else TokenRecord(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name

    def add_token(self, record: TokenRecord) -> None:
        """Store a new token."""
        self._run(insert(token).values(**{name: getattr(record, name) for name in TokenRecord.__dataclass_fields__}))

    def use_token(self, token_: str) -> bool:
        """Count one use; False when none is left."""
        usable = (token.c.id == token_) & or_(token.c.uses_left.is_(None), token.c.uses_left > 0)
        return self._run(update(token).where(usable).values(uses_left=token.c.uses_left - 1)) == 1

    def revoke_token(self, token_: str) -> bool:
        """End a token; False when there is none of this id."""
        live = (token.c.id == token_) & token.c.revoked_at.is_(None)
        if self._run(update(token).where(live).values(revoked_at=self._at)):
            return True
        return self._scalar(select(token.c.id).where(token.c.id == token_)) is not None

    def tokens(self) -> Sequence[TokenRecord]:
        """All, oldest first."""
        rows = self._rows(select(token).order_by(token.c.created_at, token.c.id))
        return [TokenRecord(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def holders(self, role: str) -> Sequence[str]:
        """Names of persons with a live token of this role, or of admin."""
        live = token.c.revoked_at.is_(None) & (token.c.expires_at > self._at) & token.c.role.in_([role, "admin"])
        return [row.name for row in self._rows(select(token.c.name).where(live).distinct().order_by(token.c.name))]

    def vote(self, cast: Vote) -> None:
        """Record a vote; the same person's second one at the same revision only renews its time."""
        fields = {name: getattr(cast, name) for name in Vote.__dataclass_fields__}
        once = ["rollout", "act", "ring", "revision", "person"]
        self._run(self._insert(vote).values(**fields).on_conflict_do_update(index_elements=once, set_={"at": cast.at}))

    def votes(self, rollout: str, act: str, ring: str, revision: int, since: float) -> Sequence[Vote]:
        """Votes for this act at this revision, cast since `since`."""
        about = (vote.c.rollout == rollout) & (vote.c.act == act) & (vote.c.ring == ring)
        rows = self._rows(
            select(vote).where(about, vote.c.revision == revision, vote.c.at >= since).order_by(vote.c.id)
        )
        return [Vote(r.rollout, r.act, r.ring, r.revision, r.person, r.reason, r.at) for r in rows]

    def record(
        self,
        kind: str,
        *,
        rollout: str | None = None,
        person: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Append a link to the audit chain; its `seq`."""
        previous = self._scalar(select(audit.c.hash).order_by(audit.c.seq.desc()).limit(1)) or ORIGIN
        known = dict(detail or {})
        made = link(previous, at=self._at, rollout=rollout, kind=kind, person=person, detail=known)
        row = {"at": self._at, "rollout": rollout, "kind": kind, "person": person, "detail": known}
        added = insert(audit).values(**row, previous=previous, hash=made).returning(audit.c.seq)
        return int(self._connection.execute(added).scalar_one())

    def audit(self, rollout: str | None = None, after: int = 0, limit: int = 1000) -> Sequence[AuditRow]:
        """Links after `after`, in order."""
        chosen = select(audit).where(audit.c.seq > after).order_by(audit.c.seq).limit(limit)
        rows = self._rows(chosen if rollout is None else chosen.where(audit.c.rollout == rollout))
        return [AuditRow(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name
