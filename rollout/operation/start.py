"""Start: release x policy x fleet becomes a rollout, or is refused with every reason.

The fleet is read and planned outside the write transaction; what could have changed meanwhile is checked again
inside it. Hosts that speak for the first time in between find their place when they are next heard.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

from policies.digest import digest
from rollout.decision import BEGINS, RING_BEGINS, RingState
from rollout.errors import ConflictError, InvalidError, Problem
from rollout.operation.draft import Draft, Wish, draft, hindrances, watched
from rollout.operation.newcomer import enlist
from rollout.ports.rollout import Member, RingRecord, RolloutRecord
from rollout.ports.store import Store, Transaction
from rollout.release.target import WHOLE, Step, TargetFacts

WARRANT = timedelta(days=30)  # `up`'s default warrant (INTERFACES section 2, "When it is signed")
AT_ONCE = 20_000  # members of one transaction; a larger fleet's are written in slices before the rollout exists
SLICE = 2_000
NEWCOMERS = 10_000  # host keys looked at beyond the planned ones


def start(store: Store, wish: Wish) -> str:
    """Start a rollout; its id. Raises what `draft` raises, and InvalidError or ConflictError with what hinders it."""
    found = draft(store, wish)
    _refuse(found.hindrances)  # first: what an open rollout has taken already is no fault of the policy
    if found.lint.refusals:
        problems = tuple(Problem(each.code, each.detail) for each in found.lint.refusals)
        codes = {each.code for each in problems}
        slug = problems[0].code if len(codes) == 1 else "policy"
        raise InvalidError(f"the policy is refused: {problems[0].detail}", slug=slug, problems=problems)
    newest = max(member.host for member in found.members)
    identity = f"r{found.scene.number}"
    if len(found.members) > AT_ONCE:
        identity += f"-{wish.salts[1][:8]}"  # slices of a start that fails must never be found by another
        _enlist_slices(store, identity, found.members)
        found = replace(found, members=())
    store.write(lambda tx: _begin(tx, found, identity, newest)).result()
    return identity


def _enlist_slices(store: Store, identity: str, members: Sequence[Member]) -> None:
    for first in range(0, len(members), SLICE):
        part = members[first : first + SLICE]
        store.write(partial(_enlist, identity=identity, part=part)).result()


def _enlist(tx: Transaction, *, identity: str, part: Sequence[Member]) -> None:
    tx.rollouts.enlist(identity, part)


def _begin(tx: Transaction, found: Draft, identity: str, newest: int) -> None:
    """Store map, warrant, rollout, rings and members, if the world is still the one that was planned for."""
    wish = found.wish
    _refuse(hindrances(tx, wish))
    standing = tx.publications.ring_map(wish.product)
    if (
        tx.rollouts.next_number() != found.scene.number
        or (0 if standing is None else standing.n) >= found.plan.ring_map.n
    ):
        raise ConflictError("another rollout was started at the same moment; ask again", slug="meanwhile")
    _supersede(tx, wish)
    tx.publications.add_ring_map(found.plan.ring_map)
    tx.releases.sign(wish.product, wish.counter, _warranted(found, tx.at))
    record = _record(found, identity, tx.at)
    tx.rollouts.create(record, _rings(found, identity, tx.at))
    for first in range(0, len(found.members), SLICE):
        tx.rollouts.enlist(identity, found.members[first : first + SLICE])
    _newcomers(tx, record, newest)
    told: dict[str, object] = {"release": f"{wish.product}/{wish.counter}", "policy": found.policy.name}
    told |= {"policy_digest": record.policy_digest, "reason": wish.reason, "hosts": len(found.plan.members)}
    tx.people.record("rollout.started", rollout=identity, person=wish.person, detail=told)


def _record(found: Draft, identity: str, at: float) -> RolloutRecord:
    wish = found.wish
    return RolloutRecord(
        id=identity,
        number=found.scene.number,
        product=wish.product,
        counter=wish.counter,
        policy=found.policy,
        policy_digest=digest(found.policy),
        state=BEGINS,
        state_since=at,
        over=False,
        started_by=wish.person,
        reason=wish.reason,
        started_at=at,
        map_n=found.plan.ring_map.n,
        salt=wish.salts[1],
        strata=found.plan.strata,
        first_event=found.scene.first_event,
        first_beat=found.scene.first_beat,
        revision=0,
        stop_reason=None,
        completed_clock=None,
        superseded=False,
    )


def _refuse(hindrances: Sequence[Problem]) -> None:
    if hindrances:
        raise ConflictError(hindrances[0].detail, slug=hindrances[0].code, problems=tuple(hindrances))


def _supersede(tx: Transaction, wish: Wish) -> None:
    """End the watch of what this release replaces."""
    for other in watched(tx, wish.product):
        tx.rollouts.end(other.id, superseded=True)
        by = {"release": f"{wish.product}/{wish.counter}"}
        tx.people.record("rollout.superseded", rollout=other.id, person=wish.person, detail=by)


def _warranted(found: Draft, at: float) -> Mapping[str, object]:
    """Return the Image target's `custom` with the policy's digest and the default warrant."""
    now = datetime.fromtimestamp(at, UTC).replace(microsecond=0)
    warrant = {ring.name: (Step(now, WHOLE),) for ring in found.policy.rings}
    facts = TargetFacts.from_custom(found.scene.release.custom)
    return facts.warranted(digest(found.policy), warrant, now + WARRANT).to_custom()


def _rings(found: Draft, identity: str, at: float) -> list[RingRecord]:
    """Return the rings in order; one without a host that may adopt is promoted from the start, with 0 hosts."""
    last = next(ring.name for ring in reversed(found.plan.rings) if ring.eligible)
    return [
        RingRecord(
            rollout=identity,
            position=position,
            name=ring.name,
            state=RING_BEGINS if ring.eligible else RingState.PROMOTED,
            state_since=at,
            hosts=ring.hosts if ring.eligible else 0,
            held_out=found.plan.held_out if ring.name == last else 0,
            directive_version=None,
        )
        for position, ring in enumerate(found.plan.rings)
    ]


def _newcomers(tx: Transaction, record: RolloutRecord, newest: int) -> None:
    """Place hosts that enrolled since the fleet was read; their keys are the next ones."""
    fresh = tx.hosts.records(range(newest + 1, newest + 1 + NEWCOMERS))
    here = [each for each in fresh.values() if each.retired_at is None]
    if here:
        enlist(tx, record, here, tx.hosts.running(record.product))
