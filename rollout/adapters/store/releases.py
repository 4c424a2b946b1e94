"""Releases and policies, in SQL."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import insert, select, update
from sqlalchemy.engine import Row

from policies.document import Policy
from rollout.adapters.store.schema import policy, release
from rollout.adapters.store.table import TableFamily
from rollout.errors import ConflictError
from rollout.ports.release import PolicyRecord, ReleaseRecord


def _stored(row: Row[Any]) -> PolicyRecord:
    return PolicyRecord(row.name, row.digest, Policy.model_validate_json(row.document), row.added_at, row.added_by)


class ReleaseTable(TableFamily):
    """ports.release.Releases."""

    def get(self, product: str, counter: int) -> ReleaseRecord | None:
        """One release."""
        row = self._row(select(release).where(release.c.product == product, release.c.counter == counter))
        return None if row is None else ReleaseRecord(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name

    def all(self, product: str | None = None) -> Sequence[ReleaseRecord]:
        """All, by product and counter."""
        chosen = select(release).order_by(release.c.product, release.c.counter)
        rows = self._rows(chosen if product is None else chosen.where(release.c.product == product))
        return [ReleaseRecord(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def add(self, record: ReleaseRecord) -> None:
        """Store a new release."""
        fields = {name: getattr(record, name) for name in ReleaseRecord.__dataclass_fields__}
        self._run(insert(release).values(**fields))

    def sign(self, product: str, counter: int, custom: Mapping[str, Any]) -> None:
        """Replace the Image target's `custom`."""
        mine = (release.c.product == product) & (release.c.counter == counter)
        self._run(update(release).where(mine).values(custom=dict(custom)))

    def policy(self, name: str) -> PolicyRecord | None:
        """A stored policy by name."""
        row = self._row(select(policy).where(policy.c.name == name))
        return None if row is None else _stored(row)

    def policies(self) -> Sequence[PolicyRecord]:
        """All, by name."""
        return [_stored(row) for row in self._rows(select(policy).order_by(policy.c.name))]

    def add_policy(self, record: PolicyRecord) -> None:
        """Store a policy; the same one again changes nothing, another under its name is a ConflictError."""
        standing = self.policy(record.name)
        if standing is not None and standing.digest != record.digest:
            raise ConflictError(
                f"a policy named {record.name} is stored already with other contents, and stays as it is for ever; "
                "give yours another name",
                slug="policy-exists",
            )
        row = self._insert(policy).values(
            digest=record.digest,
            name=record.name,
            document=record.policy.model_dump_json(),
            added_at=record.added_at,
            added_by=record.added_by,
        )
        self._run(row.on_conflict_do_nothing())
