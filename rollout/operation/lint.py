"""Lint: a policy against this fleet and these people; and what each ring could see.

The policy's own rules are `policies.lint`; what is added here needs the store: who holds a role, how many hosts a
ring would have, how often hosts crash anyway.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from policies import lint as rules
from policies.document import Policy
from policies.error import Problem
from rollout.errors import ConflictError
from rollout.judge.reach import RingReach, reach, shows, slow_rings
from rollout.operation.base_rate import REFERENCE_RATE, look_back
from rollout.plan import InventoryHost, draw_map, turns_of
from rollout.plan import ring_sizes as planned_sizes
from rollout.ports.store import Transaction
from rollout.ringmap import HELD_OUT

REFERENCE_HOSTS = 100_000  # the reference fleet, with REFERENCE_RATE: for a policy that has no fleet yet
ORDINARY = 3.0  # an early-life limit below this many times the control's own failures stops good releases


@dataclass(frozen=True, slots=True)
class FleetLint:
    """What is wrong with a policy here, what is unwise, and what each ring can reach and see."""

    refusals: tuple[Problem, ...]
    warnings: tuple[Problem, ...]
    reach: tuple[RingReach, ...]

    def document(self) -> dict[str, Any]:
        """Return it as plain values."""
        return {
            "accepted": not self.refusals,
            "problems": [{"code": each.code, "detail": each.detail} for each in self.refusals],
            "warnings": [{"code": each.code, "detail": each.detail} for each in self.warnings],
            "rings": [asdict(each) for each in self.reach],
        }


def lint(tx: Transaction, policy: Policy, inventory: Sequence[InventoryHost], person: str) -> FleetLint:
    """Judge a policy on a fleet before any release is chosen: every host counts as one that may adopt."""
    return judge_policy(tx, policy, ring_sizes(policy, inventory), len(inventory), person)


def judge_policy(tx: Transaction, policy: Policy, sizes: Mapping[str, int], fleet: int, person: str) -> FleetLint:
    """Judge a policy whose rings would have so many hosts each.

    Args:
        tx: a transaction; only read.
        policy: as it would govern the rollout.
        sizes: hosts that may adopt, by ring.
        fleet: hosts in all.
        person: who would start, and may therefore not approve.
    """
    own = rules.lint(policy)
    measured = look_back(tx).rates(record for record, _ in tx.hosts.all())
    rate = measured.crashes.believed(REFERENCE_RATE)
    seen = reach(policy, sizes, fleet, rate) if not own.refusals else []
    refusals = (*own.refusals, *_roles(tx, policy), *unreachable(seen, sizes))
    warnings = (*own.warnings, *_alone(tx, policy, person), *_ordinary(policy, rate), *_slow(policy, seen, sizes))
    return FleetLint(refusals, warnings, tuple(seen))


def prospect(policy: Policy, hosts: int, rate: float, *, reference: bool = False) -> FleetLint:
    """Judge a policy on a fleet of which only size and crash rate are known.

    `reference`: it is nobody's own fleet, so what would go wrong there is no fault of the policy.
    """
    own = rules.lint(policy)
    if own.refusals:
        return FleetLint(own.refusals, own.warnings, ())
    sizes = {name: count for name, count in planned_sizes(policy, hosts) if name != HELD_OUT}
    seen = tuple(each for each in reach(policy, sizes, hosts, rate) if each.ring in sizes)
    if reference:
        return FleetLint((), own.warnings, seen)
    warnings = (*own.warnings, *_ordinary(policy, rate), *_slow(policy, seen, sizes))
    return FleetLint(tuple(unreachable(seen, sizes)), warnings, seen)


def ring_sizes(policy: Policy, inventory: Sequence[InventoryHost]) -> dict[str, int]:
    """Return how many hosts each ring would have; none on an empty fleet."""
    try:
        drawn = draw_map(policy, "lint", inventory, salt="lint", n=0)
    except ConflictError:
        return {}
    members = {seen.host: drawn.ring_of(seen.host, seen.tags) or HELD_OUT for seen in inventory}
    turn = turns_of(policy, drawn, members, inventory, inventory)
    sizes: dict[str, int] = {}
    for host, ring in members.items():
        with_ring = turn.get(host, ring)
        if with_ring is not None:
            sizes[with_ring] = sizes.get(with_ring, 0) + 1
    return sizes


def _roles(tx: Transaction, policy: Policy) -> Iterator[Problem]:
    """Approvals that nobody could ever give."""
    for ring in policy.rings:
        if ring.approval is not None and not tx.people.holders(ring.approval.role):
            yield Problem("role", f"Ring {ring.name} asks for role {ring.approval.role}, which nobody holds.")


def _alone(tx: Transaction, policy: Policy, person: str) -> Iterator[Problem]:
    """Approvals that only the starter could give, who may not."""
    for ring in policy.rings:
        if ring.approval is not None:
            others = [holder for holder in tx.people.holders(ring.approval.role) if holder != person]
            if len(others) < ring.approval.persons:
                yield Problem("role", f"Ring {ring.name}: besides {person} too few hold role {ring.approval.role}.")


def unreachable(seen: Sequence[RingReach], sizes: Mapping[str, int]) -> Iterator[Problem]:
    """Limits on early life that so few hosts can never prove."""
    for each in seen:
        if not each.reachable and sizes.get(each.ring, 0):
            detail = f"{each.hosts_through} hosts through ring {each.ring} cannot show its early_life limit"
            yield Problem("early-life", f"{detail}: {each.clean_n} clean confirmations are needed.")


def _slow(policy: Policy, seen: Sequence[RingReach], sizes: Mapping[str, int]) -> Iterator[Problem]:
    """Rings that will be held now and then although nothing is wrong."""
    for each in slow_rings(policy, seen, sizes):
        yield Problem("margin", f"Ring {each.ring} may be held: {shows(policy, each)}.")


def _ordinary(policy: Policy, rate: float) -> Iterator[Problem]:
    """Limits on early life so tight that hosts without any fault would pass them only by luck."""
    failing = rate * policy.confirm.uptime.total_seconds() / 3600
    for ring in policy.rings:
        limit = ring.promote.early_life
        if limit is not None and 0 < limit < ORDINARY * failing:
            detail = f"Ring {ring.name}: early_life {limit:.3%} is below three times what fails anyway ({failing:.3%})."
            yield Problem("early-life", detail)
