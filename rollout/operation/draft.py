"""Draft: what starting a rollout would do, from one look at the store. Nothing here changes anything."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from policies.digest import digest
from policies.document import Policy
from policies.error import PolicyError
from policies.suitability import for_release
from rollout import plan as planning
from rollout.decision import State
from rollout.errors import InvalidError, NotFoundError, Problem
from rollout.exposure import forecast
from rollout.operation import lint
from rollout.operation.newcomer import inventory_host, release_facts
from rollout.plan import InventoryHost, Plan
from rollout.ports.host import HostRecord, Presence
from rollout.ports.release import ReleaseRecord
from rollout.ports.rollout import Member, RolloutRecord
from rollout.ports.store import Store, Transaction


@dataclass(frozen=True, slots=True)
class Wish:
    """What a person asks for. `salts`: fresh random text for the ring map and for the exposure bucket."""

    product: str
    counter: int
    policy: Policy | str
    reason: str
    person: str
    salts: tuple[str, str]
    skip_unstored: bool = False


@dataclass(frozen=True, slots=True)
class Scene:
    """What the store said at one moment: the release, the fleet, and the cursors from which events will count.

    `heard_since`: who spoke at or after this, unix seconds, is expected to speak from the start.
    """

    release: ReleaseRecord
    policy: Policy
    hosts: Sequence[tuple[HostRecord, Presence | None]]
    running: Mapping[int, int]
    stored: Sequence[int]
    heard_since: float
    map_n: int
    number: int
    first_event: int
    first_beat: int


@dataclass(frozen=True, slots=True)
class Draft:
    """A rollout that could be started; `hindrances` are the reasons why the world does not allow it now."""

    wish: Wish
    scene: Scene
    plan: Plan
    members: Sequence[Member]
    lint: lint.FleetLint
    hindrances: tuple[Problem, ...]

    @property
    def policy(self) -> Policy:
        """Return the policy as it governs this release."""
        return self.scene.policy


def draft(store: Store, wish: Wish) -> Draft:
    """Plan a rollout without starting it; the planning itself holds no transaction.

    Raises:
        NotFoundError: no such release or policy.
        InvalidError: `weaker-policy`.
        ConflictError: a host runs what is not stored, or no ring would have a host.
    """
    scene = store.read(lambda tx: _look(tx, wish))
    inventory = _inventory(scene)
    planned = planning.plan(
        scene.policy,
        release_facts(scene.release),
        inventory,
        scene.stored,
        salt=wish.salts[0],
        n=scene.map_n,
        skip_unstored=wish.skip_unstored,
    )
    sizes = {ring.name: ring.eligible for ring in planned.rings}
    found, hindered = store.read(
        lambda tx: (
            lint.judge_policy(tx, scene.policy, sizes, len(inventory), wish.person),
            hindrances(tx, wish),
        )
    )
    hindered = (*hindered, *_nobody(sizes), *_squeezed(planned))
    return Draft(wish, scene, planned, _members(scene, planned), found, hindered)


def _look(tx: Transaction, wish: Wish) -> Scene:
    release = tx.releases.get(wish.product, wish.counter)
    if release is None:
        raise NotFoundError(f"{wish.product}/{wish.counter} is not stored; add the release first", slug="no-release")
    policy = _governing(_policy(tx, wish.policy), release)
    standing = tx.publications.ring_map(wish.product)
    return Scene(
        release=release,
        policy=policy,
        hosts=[(record, seen) for record, seen in tx.hosts.all() if record.retired_at is None],
        running=tx.hosts.running(wish.product),
        stored=[each.counter for each in tx.releases.all(wish.product)],
        heard_since=tx.at - max(3 * policy.heartbeat, policy.dark_after).total_seconds(),
        map_n=1 if standing is None else standing.n + 1,
        number=tx.rollouts.next_number(),
        first_event=tx.events.last(),
        first_beat=tx.events.last_heard(),
    )


def document(found: Draft) -> dict[str, object]:
    """Return what starting would do, `rollout.plan/1`."""
    expected = forecast(found.policy, found.plan)
    hours = {ring.name: (ring.admission + ring.bake).total_seconds() / 3600 for ring in expected.rings}
    strata: dict[str, int] = dict.fromkeys(found.plan.strata, 0)
    for stratum in found.plan.stratum.values():
        strata[stratum] += 1
    reached = found.lint.document()
    return {
        "schema": "rollout.plan/1",
        "release": f"{found.wish.product}/{found.wish.counter}",
        "policy": found.policy.name,
        "policy_digest": digest(found.policy),
        "rings": [
            {
                "name": ring.name,
                "hosts": ring.hosts,
                "eligible": ring.eligible,
                "heard": ring.heard,
                "hours_at_best": round(hours.get(ring.name, 0.0), 3),
            }
            for ring in found.plan.rings
        ],
        "held_out": found.plan.held_out,
        "strata": strata,
        "unstored": list(found.plan.unstored),
        "ineligible": found.plan.ineligible,
        "delayed": found.plan.turn,
        "stranded": list(found.plan.stranded),
        "hours_at_best": round(expected.hours_at_best, 3),
        "lethal_harm": expected.lethal_harm,
        "reach": reached["rings"],
        "problems": [*reached["problems"], *({"code": e.code, "detail": e.detail} for e in found.hindrances)],
        "warnings": reached["warnings"],
    }


def _policy(tx: Transaction, policy: Policy | str) -> Policy:
    if isinstance(policy, Policy):
        return policy
    stored = tx.releases.policy(policy)
    if stored is None:
        raise NotFoundError(
            f"no policy called {policy!r} is stored; `rollout policy list` shows them", slug="no-policy"
        )
    return stored.policy


def _governing(policy: Policy, release: ReleaseRecord) -> Policy:
    """Return the policy as it governs this release; what is meant for content is too weak for a driver."""
    try:
        return for_release(policy, "content" if release.kind == "content" else "driver")
    except PolicyError as error:
        problems = tuple(Problem(each.code, each.detail) for each in error.problems)
        raise InvalidError(str(error), slug="weaker-policy", problems=problems) from None


def _inventory(scene: Scene) -> list[InventoryHost]:
    return [
        replace(inventory_host(record, scene.running.get(record.key)), heard=_heard(scene, seen))
        for record, seen in scene.hosts
    ]


def _heard(scene: Scene, seen: Presence | None) -> bool:
    return seen is not None and seen.at >= scene.heard_since


def _members(scene: Scene, planned: Plan) -> tuple[Member, ...]:
    undirected = planned.ineligible.keys() | set(planned.unstored)
    return tuple(
        Member(
            host=record.key,
            ring=planned.members[record.id],
            stratum=planned.stratum[record.id],
            baseline=planned.baseline[record.id],
            directed=record.id not in undirected,
            active=_heard(scene, seen),
            turn=planned.turn.get(record.id),
        )
        for record, seen in scene.hosts
    )


def hindrances(tx: Transaction, wish: Wish) -> tuple[Problem, ...]:
    """Return why the world as it is now does not allow a start."""
    found = []
    if (freeze := tx.rollouts.frozen()) is not None:
        found.append(Problem("frozen", f"everything is frozen by {freeze.person} ({freeze.reason}); unfreeze first"))
    for other in tx.rollouts.opened(wish.product):
        detail = f"{other.id} ({other.product}/{other.counter}) is {other.state}; a product has one open rollout"
        found.append(Problem("open-rollout", detail))
    for other in watched(tx, wish.product):
        if other.counter >= wish.counter:
            detail = f"{other.id} completed with {other.product}/{other.counter}; hosts refuse to install below that"
            found.append(Problem("downgrade", detail))
    return tuple(found)


def _nobody(sizes: Mapping[str, int]) -> tuple[Problem, ...]:
    if any(sizes.values()):
        return ()
    return (Problem("no-hosts", "no host may adopt this release: wrong hardware or OS build, or it runs it already"),)


def _squeezed(planned: Plan) -> Iterator[Problem]:
    """Rings that a limit empties: nothing would be proven where everybody expects a canary."""
    for ring in planned.rings:
        if not ring.eligible and any(planned.members[host] == ring.name for host in planned.turn):
            detail = f"no host of ring {ring.name} may adopt under its limits on site and role; widen or drop them"
            yield Problem("limits", detail)


def watched(tx: Transaction, product: str) -> list[RolloutRecord]:
    """Return completed rollouts of a product that are still judged."""
    return [one for one in tx.rollouts.judged() if one.product == product and one.state == State.COMPLETED]
