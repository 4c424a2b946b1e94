"""Hosts, how they last spoke, what they run, their crashes: in SQL.

Presence rows are the hot path. They go through the driver's own cursor with statements compiled once,
sorted by host key, so that neighbours share pages.
"""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import delete, insert, literal_column, select, update
from sqlalchemy.engine import Dialect, Row

from rollout.adapters.store.schema import crash, host, presence, running
from rollout.adapters.store.table import TableFamily
from rollout.ports.host import HostRecord, Presence, StoredCrash, Touch
from rollout.telemetry import RETIRED

CHUNK = 2_000  # keys in one statement
NEVER = ""  # boot of a presence row that only keeps what a host was told
_HOST = [host.c[name] for name in HostRecord.__dataclass_fields__]
_FIELDS = Presence._fields
_COLUMNS = [presence.c[name] for name in _FIELDS]
_TOUCH = "UPDATE presence SET seq=?, uptime=?, measures=?, at=? WHERE host=?"
_SAVE = (
    f"INSERT INTO presence ({', '.join(_FIELDS)}) VALUES ({', '.join('?' * len(_FIELDS))}) "  # noqa: S608 - our own names
    f"ON CONFLICT (host) DO UPDATE SET {', '.join(f'{name}=excluded.{name}' for name in _FIELDS[1:])}"
)
_SPOKEN = f"SELECT {', '.join(_FIELDS)} FROM presence WHERE boot<>'' AND host IN "  # noqa: S608 - our own names


@cache
def _driver_text(text: str, dialect: Dialect) -> str:
    """A statement as this database's driver wants its parameters."""
    return text if dialect.name == "sqlite" else text.replace("?", "%s")


def _record(row: Row[Any]) -> HostRecord:
    return HostRecord(**row._mapping)  # noqa: SLF001 - SQLAlchemy's public name


def _chunks(keys: Collection[Any]) -> Iterable[list[Any]]:
    ordered = sorted(keys)
    return (ordered[start : start + CHUNK] for start in range(0, len(ordered), CHUNK))


class HostTable(TableFamily):
    """ports.host.Hosts."""

    def find(self, host_: str) -> HostRecord | None:
        """A host by its id."""
        row = self._row(select(*_HOST).where(host.c.id == host_))
        return None if row is None else _record(row)

    def find_all(self, hosts: Collection[str]) -> Mapping[str, HostRecord]:
        """Hosts by id; unknown ones are missing."""
        chosen = (select(*_HOST).where(host.c.id.in_(chunk)) for chunk in _chunks(set(hosts)))
        return {row.id: _record(row) for statement in chosen for row in self._rows(statement)}

    def by_key(self, key: int) -> HostRecord | None:
        """A host by its integer key."""
        return self.records([key]).get(key)

    def records(self, keys: Collection[int]) -> Mapping[int, HostRecord]:
        """Hosts by integer key."""
        chosen = (select(*_HOST).where(host.c.key.in_(chunk)) for chunk in _chunks(keys))
        return {row.key: _record(row) for statement in chosen for row in self._rows(statement)}

    def keys(self, hosts: Collection[str]) -> Mapping[str, int]:
        """Integer keys of the known, unretired ones."""
        known = select(host.c.id, host.c.key).where(host.c.retired_at.is_(None))
        chosen = (known.where(host.c.id.in_(chunk)) for chunk in _chunks(hosts))
        return {row.id: row.key for statement in chosen for row in self._rows(statement)}

    def names(self, keys: Collection[int]) -> Mapping[int, str]:
        """Ids by integer key."""
        chosen = (select(host.c.key, host.c.id).where(host.c.key.in_(chunk)) for chunk in _chunks(keys))
        return {row.key: row.id for statement in chosen for row in self._rows(statement)}

    def credentials(self, keys: Collection[int]) -> Mapping[int, bytes]:
        """Public keys of the unretired ones, as stored now; empty bytes after a rekey."""
        known = select(host.c.key, host.c.public_key).where(host.c.retired_at.is_(None))
        chosen = (known.where(host.c.key.in_(chunk)) for chunk in _chunks(keys))
        return {row.key: bytes(row.public_key) for statement in chosen for row in self._rows(statement)}

    def enrol(self, record: HostRecord) -> int:
        """Insert (its `key` is ignored): the new key."""
        return self.enrol_all([record])[record.id]

    def enrol_all(self, records: Sequence[HostRecord]) -> Mapping[str, int]:
        """Insert new hosts (their `key` is ignored): the new keys by id."""
        if not records:
            return {}
        names = [name for name in HostRecord.__dataclass_fields__ if name != "key"]
        rows = [
            {name: getattr(record, name) for name in names} | {"group": record.attributes.get("group")}
            for record in records
        ]
        stored = self._connection.execute(insert(host).returning(host.c.id, host.c.key), rows)
        return {row.id: row.key for row in stored}

    def replace_attributes(self, key: int, attributes: Mapping[str, Any], stratum: str) -> None:
        """New attributes of a host."""
        values = {"attributes": dict(attributes), "group": attributes.get("group"), "stratum": stratum}
        self._run(update(host).where(host.c.key == key).values(**values))

    def rekey(self, key: int) -> None:
        """Forget the public key: the next enrolment sets it, and `seq` starts again."""
        self._run(update(host).where(host.c.key == key).values(public_key=b""))
        self._run(update(presence).where(presence.c.host == key).values(seq=-1))

    def set_key(self, key: int, algorithm: str, public_key: bytes, token: str | None) -> None:
        """The new public key of a host whose old one was forgotten."""
        values = {"algorithm": algorithm, "public_key": public_key, "token": token}
        self._run(update(host).where(host.c.key == key).values(**values))

    def retire(self, key: int) -> None:
        """It is gone for good; the first retirement's time stays."""
        self._run(update(host).where(host.c.key == key, host.c.retired_at.is_(None)).values(retired_at=self._at))
        self._run(update(presence).where(presence.c.host == key).values(absent=RETIRED))

    def presence(self, keys: Sequence[int]) -> Mapping[int, Presence]:
        """How these last spoke; those that never spoke are missing."""
        found: dict[int, Presence] = {}
        cursor = self._cursor()
        for chunk in _chunks(keys):
            cursor.execute(f"{_SPOKEN}({','.join(map(str, chunk))})")  # integers of our own
            found.update({row[0]: row for row in map(Presence._make, cursor.fetchall())})
        return found

    def save_presence(self, rows: Iterable[Presence]) -> None:
        """Replace how they last spoke; what they were told stays."""
        self._many(_SAVE, sorted(rows))

    def touch(self, rows: Iterable[Touch]) -> None:
        """Note what hosts said that changed in nothing else."""
        self._many(_TOUCH, rows)

    def measures(self, keys: Collection[int]) -> Mapping[int, Mapping[str, float]]:
        """What these measured, by their latest beat; those that said nothing of it are missing."""
        said = select(presence.c.host, presence.c.measures).where(presence.c.measures.is_not(None))
        chosen = (said.where(presence.c.host.in_(chunk)) for chunk in _chunks(keys))
        return {row.host: json.loads(row.measures) for statement in chosen for row in self._rows(statement)}

    def told(self, keys: Sequence[int]) -> Mapping[int, str]:
        """The rings these were last told, canonical JSON."""
        chosen = (select(presence.c.host, presence.c.told).where(presence.c.host.in_(chunk)) for chunk in _chunks(keys))
        return {row.host: row.told for statement in chosen for row in self._rows(statement)}

    def tell(self, told: Mapping[int, str]) -> None:
        """Note the rings these were told now, also of hosts that never spoke."""
        silent = {"seq": -1, "boot": NEVER, "uptime": 0.0, "phase": "idle", "absent": 0, "running": "{}", "at": 0.0}
        row = self._insert(presence)
        upsert = row.on_conflict_do_update(index_elements=["host"], set_={"told": row.excluded.told})
        self._run(upsert, [{"host": key, "told": rings, **silent} for key, rings in sorted(told.items())])

    def set_running(self, running_: Mapping[int, Mapping[str, int]]) -> None:
        """What these hosts run now, all products, by host key."""
        for chunk in _chunks(running_):
            self._run(delete(running).where(running.c.host.in_(chunk)))
            told = ((key, product, counter) for key in chunk for product, counter in sorted(running_[key].items()))
            rows = [{"host": key, "product": product, "counter": counter} for key, product, counter in told]
            self._run(insert(running), rows)

    def running(self, product: str) -> Mapping[int, int]:
        """Counter by host key of everybody that reported this product."""
        chosen = select(running.c.host, running.c.counter).where(running.c.product == product)
        return {row.host: row.counter for row in self._rows(chosen)}

    def all(self) -> Sequence[tuple[HostRecord, Presence | None]]:
        """Everybody, retired ones included, by key."""
        spoken = {
            row.host: Presence._make(row) for row in self._rows(select(*_COLUMNS).where(presence.c.boot != NEVER))
        }
        return [(_record(row), spoken.get(row.key)) for row in self._rows(select(*_HOST).order_by(host.c.key))]

    def keep_crash(self, crash_: StoredCrash) -> bool:
        """Store a report; False when this host's report id was stored before."""
        fields = {name: getattr(crash_, name) for name in StoredCrash.__dataclass_fields__}
        row = self._insert(crash).values(**fields | {"body": dict(crash_.body)}, at=self._at)
        kept = row.on_conflict_do_nothing().returning(literal_column("1"))
        return self._connection.execute(kept).first() is not None

    def crashed_between(self, since: float, before: float) -> Collection[int]:
        """Keys of hosts with a bugcheck from `since` until before `before`, unix seconds."""
        when = (crash.c.crashed_at >= since) & (crash.c.crashed_at < before)
        chosen = select(crash.c.host).where(crash.c.kind == "bugcheck", when).distinct()
        return {row.host for row in self._rows(chosen)}

    def booted(self) -> Collection[tuple[int, float]]:
        """(key, when its present boot began in unix seconds) of everybody that said so."""
        said = (presence.c.boot != NEVER) & (presence.c.seq >= 0)  # who only asked has not said for how long it is up
        chosen = select(presence.c.host, presence.c.at, presence.c.uptime).where(said)
        return [(row.host, row.at - row.uptime) for row in self._rows(chosen)]

    def absent(self) -> Collection[int]:
        """Keys of hosts that announced sleep or shutdown and have not spoken since."""
        return {row.host for row in self._rows(select(presence.c.host).where(presence.c.absent.in_([1, 2])))}

    def _cursor(self) -> Any:
        return self._connection.connection.cursor()

    def _many(self, text: str, rows: Iterable[Sequence[Any]]) -> None:
        if listed := list(rows):
            self._cursor().executemany(_driver_text(text, self._connection.dialect), listed)
