"""The watch, its judgements, ticks and evidence, in SQL."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict

from sqlalchemy import delete, func, insert, select, update

from rollout.adapters.store.schema import evidence, judgement, tick, watch
from rollout.adapters.store.table import TableFamily
from rollout.errors import StaleOwnerError
from rollout.ports.judging import StoredJudgement, TickMark


class JudgingTable(TableFamily):
    """ports.judging.Judging."""

    def watches(self) -> Mapping[str, tuple[str, int, int]]:
        """By rollout: owner, epoch, counter."""
        return {row.rollout: (row.owner, row.epoch, row.counter) for row in self._rows(select(watch))}

    def take_watch(self, rollout: str, owner: str, expected_epoch: int) -> int | None:
        """Become the owner: the new epoch, or None when somebody else was first."""
        if expected_epoch == 0:
            if self._scalar(select(watch.c.epoch).where(watch.c.rollout == rollout)) is not None:
                return None
            self._run(insert(watch).values(rollout=rollout, owner=owner, epoch=1, counter=1))
            return 1
        mine = (watch.c.rollout == rollout) & (watch.c.epoch == expected_epoch)
        taken = self._run(
            update(watch).where(mine).values(owner=owner, epoch=expected_epoch + 1, counter=watch.c.counter + 1)
        )
        return expected_epoch + 1 if taken else None

    def hold_watch(self, rollout: str, epoch: int) -> None:
        """Move the counter; StaleOwnerError when another epoch owns it."""
        mine = (watch.c.rollout == rollout) & (watch.c.epoch == epoch)
        if not self._run(update(watch).where(mine).values(counter=watch.c.counter + 1)):
            raise StaleOwnerError(f"the watch of {rollout} has another owner now")

    def judgement(self, rollout: str) -> StoredJudgement | None:
        """The newest judgement."""
        row = self._row(select(judgement).where(judgement.c.rollout == rollout))
        return None if row is None else StoredJudgement(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name

    def save(self, judgement_: StoredJudgement) -> None:
        """Replace the newest judgement."""
        values = asdict(judgement_)
        row = self._insert(judgement).values(**values)
        self._run(row.on_conflict_do_update(index_elements=["rollout"], set_=values))

    def mark(self, rollout: str, mark: TickMark) -> None:
        """Note the clock of these cursors; the first note of a pair of cursors stays."""
        row = self._insert(tick).values(rollout=rollout, **asdict(mark))
        self._run(row.on_conflict_do_nothing())

    def marks(self, rollout: str) -> Sequence[TickMark]:
        """All marks, in order."""
        rows = self._rows(
            select(tick).where(tick.c.rollout == rollout).order_by(tick.c.clock, tick.c.event, tick.c.beat)
        )
        return [TickMark(row.event, row.beat, row.clock) for row in rows]

    def forget_marks(self, rollout: str, before_clock: float) -> None:
        """Drop marks before a rollout clock: nothing open is older."""
        self._run(delete(tick).where(tick.c.rollout == rollout, tick.c.clock < before_clock))

    def add_evidence(self, rollout: str, rows: Sequence[tuple[int, str]]) -> None:
        """Append rows (seq, JSON line)."""
        self._run(insert(evidence), [{"rollout": rollout, "seq": seq, "row": row} for seq, row in rows])

    def evidence(self, rollout: str, after: int = -1, limit: int = 10_000) -> Iterator[str]:
        """JSON lines after a row's `seq`, in order."""
        mine = (evidence.c.rollout == rollout) & (evidence.c.seq > after)
        for row in self._rows(select(evidence.c.row).where(mine).order_by(evidence.c.seq).limit(limit)):
            yield row.row

    def last_evidence(self, rollout: str) -> int:
        """The newest row's `seq`, -1 if there is none."""
        last = self._scalar(select(func.max(evidence.c.seq)).where(evidence.c.rollout == rollout))
        return -1 if last is None else int(last)
