"""Rollouts, rings, members and the freeze, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Row

from policies.document import Policy
from rollout.adapters.store.schema import freeze, member, ring, rollout
from rollout.adapters.store.table import TableFamily
from rollout.decision import OPEN
from rollout.ports.rollout import Freeze, Member, RingRecord, RolloutRecord

CHUNK = 2_000  # keys in one statement


@lru_cache(maxsize=64)
def _policy(document: str) -> Policy:
    return Policy.model_validate_json(document)


def _record(row: Row[Any]) -> RolloutRecord:
    fields = {
        name: getattr(row, name) for name in RolloutRecord.__dataclass_fields__ if name not in {"policy", "strata"}
    }
    return RolloutRecord(**fields, policy=_policy(row.policy), strata=tuple(row.strata))


def _member(row: Row[Any]) -> Member:
    return Member(row.host, row.ring, row.stratum, row.baseline, row.directed, row.active, row.turn)


class RolloutTable(TableFamily):
    """ports.rollout.Rollouts."""

    def get(self, rollout_: str) -> RolloutRecord | None:
        """One rollout."""
        row = self._row(select(rollout).where(rollout.c.id == rollout_))
        return None if row is None else _record(row)

    def newest(self, product: str) -> RolloutRecord | None:
        """The newest rollout of a product, in any state."""
        row = self._row(select(rollout).where(rollout.c.product == product).order_by(rollout.c.number.desc()).limit(1))
        return None if row is None else _record(row)

    def all(self, state: str | None = None) -> Sequence[RolloutRecord]:
        """All rollouts, newest first."""
        chosen = select(rollout).order_by(rollout.c.number.desc())
        return [_record(row) for row in self._rows(chosen if state is None else chosen.where(rollout.c.state == state))]

    def judged(self) -> Sequence[RolloutRecord]:
        """Those that are not over."""
        return [
            _record(row)
            for row in self._rows(select(rollout).where(rollout.c.over.is_(False)).order_by(rollout.c.number))
        ]

    def opened(self, product: str | None = None) -> Sequence[RolloutRecord]:
        """Those in an open state, oldest first."""
        chosen = select(rollout).where(rollout.c.state.in_(OPEN)).order_by(rollout.c.number)
        return [
            _record(row)
            for row in self._rows(chosen if product is None else chosen.where(rollout.c.product == product))
        ]

    def create(self, record: RolloutRecord, rings: Sequence[RingRecord]) -> None:
        """Insert a rollout and its rings."""
        fields = {name: getattr(record, name) for name in RolloutRecord.__dataclass_fields__}
        fields |= {"policy": record.policy.model_dump_json(), "strata": list(record.strata)}
        self._run(insert(rollout).values(**fields))
        self._run(
            insert(ring), [{name: getattr(one, name) for name in RingRecord.__dataclass_fields__} for one in rings]
        )

    def enlist(self, rollout_: str, members: Sequence[Member]) -> None:
        """Insert members; those already there stay as they are."""
        rows = [
            {
                "rollout": rollout_,
                "host": m.host,
                "ring": m.ring,
                "stratum": m.stratum,
                "baseline": m.baseline,
                "directed": m.directed,
                "active": m.active,
                "turn": m.turn,
            }
            for m in members
        ]
        self._run(self._insert(member).on_conflict_do_nothing(), rows)

    def member(self, rollout_: str, host: int) -> Member | None:
        """A host's place in a rollout."""
        row = self._row(select(member).where(member.c.rollout == rollout_, member.c.host == host))
        return None if row is None else _member(row)

    def members(self, rollout_: str, hosts: Collection[int] | None = None) -> Sequence[Member]:
        """The places of these hosts (None: of everybody), by host key."""
        mine = select(member).where(member.c.rollout == rollout_).order_by(member.c.host)
        listed = sorted(hosts) if hosts is not None else []
        chunks = [mine.where(member.c.host.in_(listed[at : at + CHUNK])) for at in range(0, len(listed), CHUNK)]
        rows = [row for chosen in ([mine] if hosts is None else chunks) for row in self._rows(chosen)]
        return [_member(row) for row in rows]

    def move(self, rollout_: str, to: str, allowed: Collection[str], stop_reason: str | None = None) -> bool:
        """Change the state if it is one of `allowed`; whether it changed."""
        values: Mapping[str, Any] = {"state": to, "state_since": self._at, "revision": rollout.c.revision + 1}
        if stop_reason is not None:
            values = {**values, "stop_reason": stop_reason, "stopped_at": self._at}
        mine = (rollout.c.id == rollout_) & rollout.c.state.in_(allowed)
        return self._run(update(rollout).where(mine).values(**values)) == 1

    def reopen(self, rollout_: str) -> None:
        """Judge it again: a rollback after it was over."""
        self._run(update(rollout).where(rollout.c.id == rollout_).values(over=False))

    def end(self, rollout_: str, *, superseded: bool = False) -> None:
        """Nobody judges it any more."""
        self._run(update(rollout).where(rollout.c.id == rollout_).values(over=True, superseded=superseded))

    def complete(self, rollout_: str, clock: float) -> None:
        """Note the rollout clock at completion."""
        self._run(update(rollout).where(rollout.c.id == rollout_).values(completed_clock=clock))

    def raise_revision(self, rollout_: str, by: int = 1) -> int:
        """The evidence revision after raising it."""
        self._run(update(rollout).where(rollout.c.id == rollout_).values(revision=rollout.c.revision + by))
        return int(self._scalar(select(rollout.c.revision).where(rollout.c.id == rollout_)))

    def rings(self, rollout_: str) -> Sequence[RingRecord]:
        """Its rings in order."""
        rows = self._rows(select(ring).where(ring.c.rollout == rollout_).order_by(ring.c.position))
        return [RingRecord(**row._mapping) for row in rows]  # noqa: SLF001 - SQLAlchemy's public name

    def move_ring(self, rollout_: str, ring_: str, to: str, allowed: Collection[str]) -> bool:
        """Change a ring's state if it is one of `allowed`; whether it changed."""
        mine = (ring.c.rollout == rollout_) & (ring.c.name == ring_) & ring.c.state.in_(allowed)
        moved = self._run(update(ring).where(mine).values(state=to, state_since=self._at)) == 1
        if moved:
            self.raise_revision(rollout_)
        return moved

    def directed(self, rollout_: str, ring_: str, version: int) -> None:
        """Note the targets version that first carried the ring's directive, once."""
        mine = (ring.c.rollout == rollout_) & (ring.c.name == ring_) & ring.c.directive_version.is_(None)
        self._run(update(ring).where(mine).values(directive_version=version))

    def next_number(self) -> int:
        """The number of the next rollout."""
        return int(self._scalar(select(func.max(rollout.c.number))) or 0) + 1

    def frozen(self) -> Freeze | None:
        """The freeze in force."""
        row = self._row(select(freeze).where(freeze.c.id == 1, freeze.c.since > 0))
        return None if row is None else Freeze(row.since, row.person, row.reason, row.number)

    def freeze(self, person: str, reason: str) -> Freeze:
        """Freeze everything; the first freeze stays."""
        if (standing := self.frozen()) is not None:
            return standing
        number = int(self._scalar(select(func.max(freeze.c.number))) or 0) + 1
        self._run(delete(freeze))
        self._run(insert(freeze).values(id=1, since=self._at, person=person, reason=reason, number=number))
        return Freeze(self._at, person, reason, number)

    def unfreeze(self) -> None:
        """Lift it; the row stays, so that the next freeze has the next number."""
        self._run(update(freeze).values(since=0))
