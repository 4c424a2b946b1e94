"""Keyed requests, in SQL."""

from collections.abc import Collection

from sqlalchemy import delete, select, update

from rollout.adapters.store.schema import keyed_request
from rollout.adapters.store.table import TableFamily
from rollout.ports.repeat import KeyedRequest

C = keyed_request.c


class RepeatTable(TableFamily):
    """ports.repeat.Repeats."""

    def get(self, name: str) -> KeyedRequest | None:
        """A request by its name."""
        row = self._row(select(keyed_request).where(C.name == name))
        return None if row is None else KeyedRequest(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name

    def begin(self, name: str, body: str, owner: str) -> None:
        """Note that `owner` runs it now, whoever did before."""
        fresh = {"body": body, "at": self._at, "owner": owner, "status": None, "kind": None, "answer": None}
        row = self._insert(keyed_request).values(name=name, counter=1, **fresh)
        self._run(row.on_conflict_do_update(index_elements=["name"], set_={**fresh, "counter": C.counter + 1}))

    def move(self, names: Collection[str], owner: str) -> None:
        """Raise the counter of what `owner` runs of these."""
        mine = C.name.in_(names) & (C.owner == owner) & C.status.is_(None)
        self._run(update(keyed_request).where(mine).values(counter=C.counter + 1))

    def keep(self, name: str, owner: str, status: int, kind: str, answer: bytes) -> None:
        """Keep the answer; nothing where `owner` runs it no more."""
        mine = (C.name == name) & (C.owner == owner) & C.status.is_(None)
        self._run(update(keyed_request).where(mine).values(status=status, kind=kind, answer=answer))

    def release(self, name: str, owner: str) -> None:
        """Forget a request that `owner` runs: it may be tried again."""
        self._run(delete(keyed_request).where(C.name == name, C.owner == owner, C.status.is_(None)))

    def forget(self, before: float, most: int) -> None:
        """Drop what began before a time (unix seconds), and of the answered ones all but the newest `most`."""
        self._run(delete(keyed_request).where(C.at < before))
        surplus = select(C.name).where(C.status.is_not(None)).order_by(C.at.desc(), C.name)
        names = [row.name for row in self._rows(surplus.offset(most).limit(1000))]
        if names:
            self._run(delete(keyed_request).where(C.name.in_(names)))
