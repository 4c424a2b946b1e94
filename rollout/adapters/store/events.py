"""Events and the log of who was heard, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import delete, func, insert, or_, select

from rollout.adapters.store.schema import beat_log, event
from rollout.adapters.store.table import TableFamily
from rollout.ports.event import Event, EventKind, Happened

FAILURES = (EventKind.CRASHED.value, EventKind.REVERTED.value, EventKind.DARK.value, EventKind.EXPIRED.value)


class EventTable(TableFamily):
    """ports.event.Events."""

    def append(
        self,
        kind: EventKind,
        host: int,
        *,
        rollout: str | None = None,
        adoption: str | None = None,
        detail: Mapping[str, Any] | None = None,
    ) -> int:
        """Write one event; its `seq`."""
        row = {
            "at": self._at,
            "kind": kind.value,
            "host": host,
            "rollout": rollout,
            "adoption": adoption,
            "detail": detail or {},
        }
        return int(self._connection.execute(insert(event).values(**row).returning(event.c.seq)).scalar_one())

    def extend(self, events: Sequence[Happened]) -> None:
        """Write many, in order."""
        self._run(insert(event), [{**one._asdict(), "at": self._at, "kind": one.kind.value} for one in events])

    def after(self, seq: int, limit: int = 100_000) -> Sequence[Event]:
        """Events after `seq`, in order."""
        rows = self._rows(select(event).where(event.c.seq > seq).order_by(event.c.seq).limit(limit))
        return [Event(r.seq, r.at, EventKind(r.kind), r.host, r.rollout, r.adoption, r.detail) for r in rows]

    def last(self) -> int:
        """The newest event's `seq`, 0 if there is none."""
        return int(self._scalar(select(func.max(event.c.seq))) or 0)

    def unfolded_failure(self, folded: int, rollout: str) -> bool:
        """Whether a failure event of this rollout, or of none, is newer than `folded`."""
        mine = or_(event.c.rollout == rollout, event.c.rollout.is_(None))
        found = select(event.c.seq).where(event.c.seq > folded, event.c.kind.in_(FAILURES), mine).limit(1)
        return self._scalar(found) is not None

    def darkened(self, rollouts: Collection[str], since: float) -> Collection[int]:
        """Hosts that were marked dark in any of these rollouts since `since`, unix seconds."""
        dark = (event.c.rollout.in_(rollouts)) & (event.c.kind == EventKind.DARK.value) & (event.c.at >= since)
        return {row.host for row in self._rows(select(event.c.host).where(dark).distinct())}

    def heard(self, hosts: NDArray[np.int32]) -> None:
        """Log that these hosts spoke in this commit."""
        self._run(insert(beat_log).values(at=self._at, hosts=hosts.astype("<i4", copy=False).tobytes()))

    def heard_after(self, beat: int) -> Sequence[tuple[int, float, NDArray[np.int32]]]:
        """The log after row `beat`: (row, at, host keys)."""
        rows = self._rows(select(beat_log).where(beat_log.c.id > beat).order_by(beat_log.c.id))
        return [(r.id, r.at, np.frombuffer(r.hosts, dtype="<i4").astype(np.int32, copy=False)) for r in rows]

    def last_heard(self) -> int:
        """The newest row of the log, 0 if there is none."""
        return int(self._scalar(select(func.max(beat_log.c.id))) or 0)

    def forget_heard(self, before: float) -> None:
        """Drop log rows older than `before`, unix seconds."""
        self._run(delete(beat_log).where(beat_log.c.at < before))
