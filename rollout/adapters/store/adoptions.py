"""Adoptions and their tallies, in SQL. Every change of a row changes its tally in the same transaction."""

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Select, bindparam, func, insert, or_, select, update
from sqlalchemy.engine import Row

from rollout.adapters.store.schema import adoption, event, host, member, presence, rollout, running, tally
from rollout.adapters.store.table import TableFamily
from rollout.ports.adoption import Adoption, Returning
from rollout.ports.rollout import Tally
from rollout.telemetry import ASLEEP, GONE, RETIRED

CHUNK = 2_000  # keys in one statement
_COUNTS = tuple(Tally.__dataclass_fields__)
_FIELDS = tuple(Adoption.__dataclass_fields__)
_PLACE = ("rollout", "ring", "stratum")  # what a tally is of
_PROGRESS = update(adoption).where(adoption.c.id == bindparam("mine"))


def _adoption(row: Row[Any]) -> Adoption:
    fields = dict(row._mapping)  # noqa: SLF001 - SQLAlchemy's public name
    return Adoption(**fields | {"boots": tuple(row.boots)})


def _chunks(keys: Collection[Any]) -> Iterable[list[Any]]:
    ordered = sorted(keys)
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))


def _returning(row: Row[Any]) -> Returning:
    fields = {name: getattr(row, name) for name in _FIELDS}
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
        return self.some([id_]).get(id_)

    def some(self, ids: Collection[str]) -> Mapping[str, Adoption]:
        """These by id; unknown ones are missing."""
        chosen = (select(adoption).where(adoption.c.id.in_(chunk)) for chunk in _chunks(ids))
        return {row.id: _adoption(row) for statement in chosen for row in self._rows(statement)}

    def of_host(self, host: int) -> Sequence[Adoption]:
        """A host's adoptions in every rollout, oldest first."""
        return self.of_hosts([host]).get(host, ())

    def of_hosts(self, hosts: Collection[int]) -> Mapping[int, Sequence[Adoption]]:
        """As `of_host`, by host; those without any are missing."""
        return self._by_host(select(adoption), hosts)

    def open_of(self, hosts: Collection[int]) -> Mapping[int, Sequence[Adoption]]:
        """Open adoptions by host, of these hosts; those without any are missing."""
        return self._by_host(select(adoption).where(adoption.c.state == "open"), hosts)

    def _by_host(self, chosen: Select[Any], hosts: Collection[int]) -> Mapping[int, Sequence[Adoption]]:
        found: dict[int, list[Adoption]] = {}
        for chunk in _chunks(hosts):
            mine = chosen.where(adoption.c.host.in_(chunk)).order_by(adoption.c.granted_at, adoption.c.id)
            for row in self._rows(mine):
                found.setdefault(row.host, []).append(_adoption(row))
        return found

    def unconfirmed_in(self, groups: Collection[str]) -> Mapping[str, Collection[int]]:
        """Hosts of these redundancy groups whose adoption holds a slot of a rollout that is judged; by group."""
        found: dict[str, set[int]] = {}
        held = select(host.c.group, host.c.key).join(adoption, adoption.c.host == host.c.key)
        held = held.join(rollout, rollout.c.id == adoption.c.rollout)
        held = held.where(adoption.c.holding, rollout.c.over.is_(False))
        listed = sorted(groups)
        for start in range(0, len(listed), CHUNK):
            for row in self._rows(held.where(host.c.group.in_(listed[start : start + CHUNK]))):
                found.setdefault(row.group, set()).add(row.key)
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
        (order,) = self.grant_all([granted])
        return order

    def grant_all(self, granted: Sequence[Adoption]) -> Sequence[int]:
        """As `grant`, in the order given."""
        ranks = {name: self._ranks(name, count) for name, count in Counter(one.rollout for one in granted).items()}
        orders = [next(ranks[one.rollout]) for one in granted]
        rows = [
            {name: getattr(one, name) for name in _FIELDS} | {"order": order, "boots": list(one.boots)}
            for one, order in zip(granted, orders, strict=True)
        ]
        self._run(insert(adoption), rows)
        self._count(granted, granted=1, outstanding=1)
        return orders

    def _ranks(self, rollout_: str, count: int) -> Iterator[int]:
        """The next ranks in a rollout's grant order."""
        more = update(rollout).where(rollout.c.id == rollout_).values(orders=rollout.c.orders + count)
        end = int(self._connection.execute(more.returning(rollout.c.orders)).scalar_one())
        return iter(range(end - count, end))

    def progress(self, changed: Sequence[Adoption]) -> None:
        """Store applied_boot, applied_uptime, uptime and boots of each."""
        names = ("applied_boot", "applied_uptime", "uptime")
        rows = [{name: getattr(one, name) for name in names} | {"mine": one.id, "boots": one.boots} for one in changed]
        self._run(_PROGRESS, rows)

    def confirm(self, settled: Adoption) -> bool:
        """Open to confirmed: gives its slot back, ends overdue; False if it was not open."""
        return bool(self.confirm_all([settled]))

    def confirm_all(self, settled: Sequence[Adoption]) -> Collection[str]:
        """As `confirm`: the ids of those that were open."""
        found = self._settle(settled, state="confirmed", holding=False)
        self._count(found.values(), confirmed=1, outstanding=-1)
        return found.keys()

    def fail(self, settled: Adoption, outcome: str) -> bool:
        """Open to failed: keeps its slot, ends overdue; False if it was not open."""
        return bool(self.fail_all([settled], outcome))

    def fail_all(self, settled: Sequence[Adoption], outcome: str) -> Collection[str]:
        """As `fail`: the ids of those that were open."""
        found = self._settle(settled, state="failed", outcome=outcome)
        self._count(found.values(), failed=1)
        return found.keys()

    def mark_overdue(self, *late: Adoption) -> None:
        """Count open ones as overdue."""
        in_time = (adoption.c.state == "open") & adoption.c.overdue.is_(False)
        self._count(self._change(late, in_time, overdue=True).values(), overdue=1)

    def release_slot(self, *failed: Adoption) -> None:
        """Give the slots of failed ones back."""
        held = (adoption.c.state == "failed") & adoption.c.holding.is_(True)
        self._count(self._change(failed, held, holding=False).values(), outstanding=-1)

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

    def _settle(self, settled: Sequence[Adoption], **values: Any) -> Mapping[str, Adoption]:
        """Those that were open, by id; what they settle to is written, and none of them is overdue any more."""
        late = self._change(settled, (adoption.c.state == "open") & adoption.c.overdue.is_(True), overdue=False)
        self._count(late.values(), overdue=-1)
        return self._change(settled, adoption.c.state == "open", **values, resolved_at=self._at)

    def _change(self, some: Sequence[Adoption], which: ColumnElement[bool], **values: Any) -> Mapping[str, Adoption]:
        """Change those of them that are so: these, by id, in the order given."""
        named = {one.id: one for one in some}
        changed: set[str] = set()
        for chunk in _chunks(named):
            statement = update(adoption).where(adoption.c.id.in_(chunk), which).values(**values)
            changed |= {row.id for row in self._connection.execute(statement.returning(adoption.c.id))}
        return {id_: one for id_, one in named.items() if id_ in changed}

    def _count(self, of: Iterable[Adoption], **change: int) -> None:
        """Add to the tallies, for each of these."""
        places = Counter((one.rollout, one.ring, one.stratum) for one in of)
        row = self._insert(tally)
        added = {name: tally.c[name] + row.excluded[name] for name in change}
        upsert = row.on_conflict_do_update(index_elements=_PLACE, set_=added)
        changes = ({name: by * many for name, by in change.items()} for many in places.values())
        rows = [dict(zip(_PLACE, place, strict=True)) | by for place, by in zip(places, changes, strict=True)]
        self._run(upsert, rows)
