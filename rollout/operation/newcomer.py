"""Newcomers: hosts that appear during a rollout get the place in it that the product's newest ring map gives."""

from collections.abc import Collection, Mapping, Sequence

from rollout.exposure import place
from rollout.plan import InventoryHost, ReleaseFacts
from rollout.ports.host import HostRecord
from rollout.ports.release import ReleaseRecord
from rollout.ports.rollout import Member, RolloutRecord
from rollout.ports.store import Transaction


def inventory_host(record: HostRecord, running: int | None) -> InventoryHost:
    """What planning needs of a host."""
    told = record.attributes
    return InventoryHost(
        record.id,
        told["form"],
        told["os_build"],
        told["hardware"],
        tuple(told.get("tags", ())),
        running,
        site=told.get("site"),
        role=told.get("role"),
    )


def release_facts(record: ReleaseRecord) -> ReleaseFacts:
    """What planning needs of a release."""
    told = record.manifest
    low, high = told["os_builds"]
    return ReleaseFacts(
        record.product, record.counter, tuple(told["hardware"]), (low, high), record.floor, told.get("rollback_to")
    )


def enlist(
    tx: Transaction, rollout: RolloutRecord, records: Sequence[HostRecord], running: Mapping[int, int]
) -> Mapping[int, Member]:
    """Give these hosts their place; those that have one keep it. `running`: counter of the product by host key.

    A host whose counter is no stored release is not directed: nothing could be put back.
    """
    ring_map = tx.publications.ring_map(rollout.product)
    release = tx.releases.get(rollout.product, rollout.counter)
    if ring_map is None or release is None or not records:
        return {}
    facts = release_facts(release)
    stored = {each.counter for each in tx.releases.all(rollout.product)}
    members = []
    for record in records:
        counter = running.get(record.key)
        found = place(rollout.policy, ring_map, rollout.strata, facts, inventory_host(record, counter))
        directed = found.ineligible is None and (counter is None or counter in stored)
        members.append(Member(record.key, found.ring, found.stratum, counter, directed, turn=found.turn))
    tx.rollouts.enlist(rollout.id, members)
    return {member.host: member for member in members}


def rings_of(tx: Transaction, records: Collection[HostRecord]) -> dict[int, dict[str, str]]:
    """By host key: the ring of each product that has a map."""
    maps = tx.publications.ring_maps()
    return {
        record.key: {
            product: ring
            for product, ring_map in sorted(maps.items())
            if (ring := ring_map.ring_of(record.id, record.attributes.get("tags", ()))) is not None
        }
        for record in records
    }
