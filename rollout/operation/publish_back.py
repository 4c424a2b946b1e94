"""Ways back: which rings carry which rollback directives, through later rollouts too.

A ring carries a withdrawn rollout's ways back while it rolls back and, after that, as long as the product's
current map puts a host there that is believed to run the withdrawn release: one that was let go and has not
reported anything else since, or that reports it. Who was let go is fixed once a rollout is stopped.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from rollout.decision import FORWARD, State
from rollout.ports.host import HostRecord
from rollout.ports.rollout import RolloutRecord
from rollout.ports.store import Transaction
from rollout.publication import WayBack, one_a_path
from rollout.ringmap import RingMap

BACK = (State.ROLLING_BACK, State.ROLLED_BACK)
FEW = 500  # hosts whose places are asked for one by one

Key = tuple[tuple[str, str, int], ...]
Rings = Mapping[str, Mapping[str, tuple[WayBack, ...]]]  # by product, by ring


@dataclass(slots=True)
class WaysBack:
    """What was last computed, and of which rollouts and maps; another stop or map makes it old at once."""

    held: tuple[Key, Rings] | None = None  # one value, since several threads share it

    def of(self, tx: Transaction, records: Sequence[RolloutRecord]) -> Rings:
        """By product and ring; computed anew where another rollout was withdrawn, or a map was signed."""
        held = self.held
        return held[1] if held is not None and held[0] == _key(tx, records) else self.refresh(tx, records)

    def refresh(self, tx: Transaction, records: Sequence[RolloutRecord]) -> Rings:
        """By product and ring, from the store. `records`: all rollouts, newest first."""
        gone = withdrawn(records)
        maps = tx.publications.ring_maps()
        products = {record.product for record in gone} & set(maps)
        found = {name: _rings(tx, maps[name], [r for r in records if r.product == name]) for name in products}
        self.held = (_key(tx, records), found)
        return found


def withdrawn(records: Sequence[RolloutRecord]) -> list[RolloutRecord]:
    """Rolled back or rolling back, and not what the product's newest rollout brings out again."""
    newest = {record.product: record for record in reversed(records)}
    again = {(r.product, r.counter) for r in newest.values() if r.state in (*FORWARD, State.COMPLETED)}
    return [record for record in records if record.state in BACK and (record.product, record.counter) not in again]


def _key(tx: Transaction, records: Sequence[RolloutRecord]) -> Key:
    gone = withdrawn(records)
    maps = tx.publications.ring_maps() if gone else {}
    return tuple((r.id, r.state, maps[r.product].n if r.product in maps else -1) for r in gone)


def _rings(tx: Transaction, ring_map: RingMap, records: Sequence[RolloutRecord]) -> Mapping[str, tuple[WayBack, ...]]:
    """The ways back of one product by ring, at most one to each release. `records` are the product's."""
    running = tx.hosts.running(ring_map.product)
    gone = withdrawn(records)
    others = ({record.counter for record in records} | set(running.values())) - {record.counter for record in gone}
    found: dict[str, list[WayBack]] = {}
    for record in gone:
        for ring, baselines in _of_rollout(tx, record, ring_map, running).items():
            found.setdefault(ring, []).extend(
                WayBack(record.id, record.salt, baseline, record.counter) for baseline in sorted(baselines)
            )
    return {ring: one_a_path(ways, others) for ring, ways in found.items()}


def _of_rollout(
    tx: Transaction, record: RolloutRecord, ring_map: RingMap, running: Mapping[int, int]
) -> dict[str, set[int]]:
    """The baselines to go back to, by ring."""
    adoptions = tx.adoptions.of_rollout(record.id)
    believed = {each.host for each in adoptions if not each.rolled_back}
    believed |= {host for host, counter in running.items() if counter == record.counter}
    touched = {each.host for each in adoptions} | believed
    if not believed and record.state != State.ROLLING_BACK:
        return {}
    baselines = _baselines(tx, record, touched)
    found: dict[str, set[int]] = {}
    alive: set[str] = set()
    for key, host in tx.hosts.records(touched).items():
        ring = _home(ring_map, host)
        if ring is None:
            continue
        if record.state == State.ROLLING_BACK or (key in believed and host.retired_at is None):
            alive.add(ring)
        if (baseline := baselines.get(key)) is not None and baseline != record.counter:
            found.setdefault(ring, set()).add(baseline)
    return {ring: baselines_ for ring, baselines_ in found.items() if ring in alive}


def _home(ring_map: RingMap, host: HostRecord) -> str | None:
    return ring_map.ring_of(host.id, host.attributes.get("tags", ()))


def _baselines(tx: Transaction, record: RolloutRecord, hosts: Collection[int]) -> dict[int, int | None]:
    """What these hosts ran before, by key."""
    if len(hosts) > FEW:
        return {member.host: member.baseline for member in tx.rollouts.members(record.id, hosts)}
    members = (tx.rollouts.member(record.id, host) for host in sorted(hosts))
    return {member.host: member.baseline for member in members if member is not None}
