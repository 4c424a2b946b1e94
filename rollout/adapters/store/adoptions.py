"""Adoptions and their tallies, in SQL. Every change of a row changes its tally in the same transaction."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import func, insert, or_, select, update
from sqlalchemy.engine import Row

from rollout.adapters.store.schema import adoption, event, member, presence, rollout, running, tally
from rollout.adapters.store.table import TableFamily
from rollout.ports.adoption import Adoption, Returning
from rollout.ports.rollout import Tally
from rollout.telemetry import ASLEEP, GONE, RETIRED

CHUNK = 2_000  # keys in one statement
_COUNTS = tuple(Tally.__dataclass_fields__)


def _adoption(row: Row[Any]) -> Adoption:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    return Adoption(**fields | {"boots": tuple(row.boots)})


def _returning(row: Row[Any]) -> Returning:
    fields = {name: getattr(row, name) for name in Adoption.__dataclass_fields__}
    heard = row.heard_at if row.heard_at is not None else 0.0
    return Returning(
        adoption=Adoption(**fields | {"boots": tuple(row.boots)}),
        baseline=row.baseline,
        running=row.runs,
        heard_at=heard,
        absent=row.absent in {ASLEEP, GONE, RETIRED},
        dark=row.dark_at is not None and heard <= row.dark_at,
        applying=row.state == "open" and row.phase == "applying" and row.spoke_of == row.id,
        boot=row.spoke_in or "",
    )


class AdoptionTable(TableFamily):
    """ports.adoption.Adoptions."""

    def get(self, id_: str) -> Adoption | None:
        """One adoption."""
        row = self._row(select(adoption).where(adoption.c.id == id_))
        return None if row is None else _adoption(row)

    def of_host(self, host: int) -> Sequence[Adoption]:
        """A host's adoptions in every rollout, oldest first."""
        chosen = select(adoption).where(adoption.c.host == host)
        return [_adoption(row) for row in self._rows(chosen.order_by(adoption.c.granted_at, adoption.c.id))]

    def open_of(self, hosts: Collection[int]) -> Mapping[int, Sequence[Adoption]]:
        """Open adoptions by host, of these hosts; those without any are missing."""
        ordered = sorted(hosts)
        found: dict[int, list[Adoption]] = {}
        for start in range(0, len(ordered), CHUNK):
            chosen = select(adoption).where(adoption.c.host.in_(ordered[start : start + CHUNK]))
            for row in self._rows(chosen.where(adoption.c.state == "open").order_by(adoption.c.granted_at)):
                found.setdefault(row.host, []).append(_adoption(row))
        return found

    def of_rollout(self, rollout_: str, state: str | None = None) -> Sequence[Adoption]:
        """A rollout's adoptions in grant order."""
        chosen = select(adoption).where(adoption.c.rollout == rollout_).order_by(adoption.c.order)
        rows = self._rows(chosen if state is None else chosen.where(adoption.c.state == state))
        return [_adoption(row) for row in rows]

    def granted_since(self, rollout_: str, at: float) -> int:
        """How many were granted since `at`, unix seconds."""
        mine = (adoption.c.rollout == rollout_) & (adoption.c.granted_at >= at)
        return int(self._scalar(select(func.count()).select_from(adoption).where(mine)))

    def grant(self, granted: Adoption) -> int:
        """Store it (its `order` is ignored) and take a slot; its rank in grant order, from 0."""
        mine = rollout.c.id == granted.rollout
        taken = update(rollout).where(mine).values(orders=rollout.c.orders + 1).returning(rollout.c.orders)
        order = int(self._connection.execute(taken).scalar_one()) - 1
        fields = {name: getattr(granted, name) for name in Adoption.__dataclass_fields__}
        self._run(insert(adoption).values(**fields | {"order": order, "boots": list(granted.boots)}))
        self._count(granted, granted=1, outstanding=1)
        return order

    def progress(self, changed: Adoption) -> None:
        """Store applied_boot, applied_uptime, uptime and boots."""
        values = {name: getattr(changed, name) for name in ("applied_boot", "applied_uptime", "uptime")}
        self._run(update(adoption).where(adoption.c.id == changed.id).values(**values, boots=list(changed.boots)))

    def confirm(self, settled: Adoption) -> bool:
        """Open to confirmed: gives its slot back, ends overdue; False if it was not open."""
        if (row := self._settle(settled, state="confirmed", holding=False)) is None:
            return False
        self._count(row, confirmed=1, outstanding=-1, overdue=-int(row.overdue))
        return True

    def fail(self, settled: Adoption, outcome: str) -> bool:
        """Open to failed: keeps its slot, ends overdue; False if it was not open."""
        if (row := self._settle(settled, state="failed", outcome=outcome)) is None:
            return False
        self._count(row, failed=1, overdue=-int(row.overdue))
        return True

    def mark_overdue(self, late: Adoption) -> None:
        """Count an open one as overdue."""
        mine = (adoption.c.id == late.id) & (adoption.c.state == "open") & adoption.c.overdue.is_(False)
        if self._run(update(adoption).where(mine).values(overdue=True)):
            self._count(late, overdue=1)

    def release_slot(self, failed: Adoption) -> None:
        """Give a failed one's slot back."""
        mine = (adoption.c.id == failed.id) & (adoption.c.state == "failed") & adoption.c.holding.is_(True)
        if self._run(update(adoption).where(mine).values(holding=False)):
            self._count(failed, outstanding=-1)

    def returning(self, rollout_: str) -> Sequence[Returning]:
        """Every touched host that is not marked back, or reports the candidate again, in grant order."""
        mine = (event.c.rollout == rollout_) & (event.c.kind == "dark")
        darkened = select(event.c.host, func.max(event.c.at).label("at")).where(mine).group_by(event.c.host).subquery()
        runs = (running.c.host == adoption.c.host) & (running.c.product == adoption.c.product)
        place = (member.c.rollout == adoption.c.rollout) & (member.c.host == adoption.c.host)
        chosen = (
            select(
                adoption,
                member.c.baseline,
                running.c.counter.label("runs"),
                presence.c.at.label("heard_at"),
                presence.c.absent,
                presence.c.phase,
                presence.c.boot.label("spoke_in"),
                presence.c.adoption.label("spoke_of"),
                darkened.c.at.label("dark_at"),
            )
            .join(member, place)
            .outerjoin(running, runs)
            .outerjoin(presence, presence.c.host == adoption.c.host)
            .outerjoin(darkened, darkened.c.host == adoption.c.host)
            .where(adoption.c.rollout == rollout_)
            .where(or_(adoption.c.rolled_back.is_(False), running.c.counter == adoption.c.counter))
            .order_by(adoption.c.order)
        )
        return [_returning(row) for row in self._rows(chosen)]

    def touched(self, rollout_: str) -> int:
        """How many hosts were ever let go."""
        return int(self._scalar(select(rollout.c.orders).where(rollout.c.id == rollout_)) or 0)

    def mark_rolled_back(self, back: Adoption) -> None:
        """Its host reports its baseline again."""
        self._run(update(adoption).where(adoption.c.id == back.id).values(rolled_back=True))

    def set_dark(self, rollout_: str, dark: Mapping[tuple[str, str], int]) -> None:
        """Replace the live number of dark hosts by (ring, stratum)."""
        self._run(update(tally).where(tally.c.rollout == rollout_, tally.c.dark != 0).values(dark=0))
        row = self._insert(tally)
        upsert = row.on_conflict_do_update(
            index_elements=["rollout", "ring", "stratum"], set_={"dark": row.excluded.dark}
        )
        self._run(upsert, [{"rollout": rollout_, "ring": r, "stratum": s, "dark": n} for (r, s), n in dark.items()])

    def tallies(self, rollout_: str) -> Mapping[tuple[str, str], Tally]:
        """By (ring, stratum)."""
        rows = self._rows(select(tally).where(tally.c.rollout == rollout_))
        return {(row.ring, row.stratum): Tally(**{name: getattr(row, name) for name in _COUNTS}) for row in rows}

    def _settle(self, settled: Adoption, **values: Any) -> Adoption | None:
        """The stored one as it was before, or None where it was not open."""
        before = self.get(settled.id)
        if before is None or before.state != "open":
            return None
        mine = adoption.c.id == settled.id
        self._run(update(adoption).where(mine).values(**values, overdue=False, resolved_at=self._at))
        return before

    def _count(self, of: Adoption, **change: int) -> None:
        where = {"rollout": of.rollout, "ring": of.ring, "stratum": of.stratum}
        row = self._insert(tally).values(**where, **change)
        added = {name: tally.c[name] + by for name, by in change.items()}
        self._run(row.on_conflict_do_update(index_elements=list(where), set_=added))
