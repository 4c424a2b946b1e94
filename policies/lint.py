"""Lint: what the fields of a policy mean together, as far as that can be said without a fleet.

Refusals forbid a start; warnings are for the author to think about. Shares against a real fleet, roles that nobody
holds and what a ring can see are judged where the fleet is known (`rollout.operation.lint`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from math import fsum
from zoneinfo import ZoneInfo

from policies.document import HELD_OUT, Measure, Policy, Ring, Size
from policies.early_life import smallest_clean_n
from policies.error import PolicyError, Problem

SHORTEST_LEASE = timedelta(seconds=5)
LONGEST_LEASE = timedelta(minutes=30)  # hosts refuse a longer one (line 4 of what a host checks)
ROLES = ("viewer", "releaser", "operator", "approver", "admin")
CALM = 5.0  # promotion needs halting evidence below this; a pause under it would never end


@dataclass(frozen=True, slots=True)
class Lint:
    """What is wrong with a policy (refusals) and what is unwise (warnings)."""

    refusals: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def lint(policy: Policy) -> Lint:
    """Judge a policy by itself."""
    refusals = (*_order(policy), *_sizes(policy), *_times(policy), *_evidence(policy), *_reach(policy))
    return Lint((*refusals, *(found for ring in policy.rings for found in _ring(ring))), tuple(_warnings(policy)))


def accepted(policy: Policy) -> Policy:
    """Return the policy if lint refuses nothing; raises PolicyError otherwise."""
    refusals = lint(policy).refusals
    if refusals:
        raise PolicyError(refusals)
    return policy


def _order(policy: Policy) -> Iterator[Problem]:
    """Rules about the list of rings."""
    names = [ring.name for ring in policy.rings]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("ring-name", f"Two rings are called {name}; the state of one would be read as the other's.")
    if HELD_OUT in names:
        yield Problem("ring-name", f"{HELD_OUT} is the name of the control group; no ring may bear it.")
    *earlier, last = policy.rings
    if not last.size.rest or any(ring.size.rest for ring in earlier):
        yield Problem("rest", "The last ring, and no other, takes the rest: write size: {rest: true} there.")
    if last.approval is not None:
        yield Problem(
            "approval", f"Ring {last.name} is the last: an approval guards promotion, and nothing follows it."
        )
    if policy.kind == "driver":
        yield from missing_margins(policy)


def missing_margins(policy: Policy) -> Iterator[Problem]:
    """Name every ring before the last that has no hazard gate; drivers need one."""
    for ring in policy.rings[:-1]:
        if ring.promote.margin is None:
            yield Problem(
                "margin", f"Ring {ring.name} has no margin: drivers pass the hazard gate before the last ring."
            )


def _sizes(policy: Policy) -> Iterator[Problem]:
    """Exposure never falls, and what is asked for fits into one fleet."""
    for before, after in pairwise(policy.rings):
        if _falls(before.size, after.size):
            yield Problem("exposure", f"Ring {after.name} is smaller than {before.name} before it.")
    exposed = policy.hold_out + fsum(ring.size.share or 0.0 for ring in policy.rings)
    if policy.hold_out >= 1 or exposed > 1 + 1e-9:
        yield Problem("size", f"Hold-out and rings together are {exposed:.0%} of the fleet.")
    reached = 0.0
    for ring in policy.rings:
        reached = 1.0 - policy.hold_out if ring.size.rest else reached + (ring.size.share or 0.0)
        for what in ("site", "role"):
            most = getattr(ring.limits, what, None)
            if most is not None and (most == 0 or most < reached - 1e-9):
                detail = f"Ring {ring.name} reaches {reached:.0%} of all hosts, but at most {most:.0%} of any {what}."
                yield Problem("limits", f"{detail} No fleet satisfies that.")


def _falls(before: Size, after: Size) -> bool:
    """Compare what can be compared without a fleet: numbers with numbers, shares with shares."""
    if before.hosts is not None and after.hosts is not None:
        return after.hosts < before.hosts
    return before.share is not None and after.share is not None and after.share < before.share


def _times(policy: Policy) -> Iterator[Problem]:
    """Rules about durations of the whole policy."""
    floor = policy.confirm.uptime + 3 * policy.heartbeat
    if policy.overdue > policy.confirm.deadline:
        yield Problem("overdue", f"An adoption is overdue after {policy.overdue}, later than its deadline.")
    if policy.overdue < floor:
        yield Problem("overdue", f"overdue is {policy.overdue}; uptime and three heartbeats take {floor}.")
    if policy.dark_after < 3 * policy.heartbeat:
        yield Problem("dark-after", "A host would be dark within three heartbeats: one lost beat is no death.")
    if not SHORTEST_LEASE <= policy.lease <= LONGEST_LEASE:
        yield Problem("lease", f"A lease of {policy.lease} is outside {SHORTEST_LEASE} to {LONGEST_LEASE}.")


def _evidence(policy: Policy) -> Iterator[Problem]:
    """Rules about the judge's numbers."""
    judge = policy.judge
    total = fsum([*judge.weights.model_dump().values(), *(measure.weight for measure in judge.measures)])
    if abs(total - 1.0) > 1e-9:
        of = "guards and measures" if judge.measures else "guards"
        yield Problem("weights", f"The weights of the {of} sum to {total:g}, not 1.")
    if not CALM < judge.pause_at < judge.halt_at:
        yield Problem("thresholds", f"{CALM:g} < pause_at < halt_at does not hold.")
    yield from _measures(judge.measures)


def _measures(measures: Sequence[Measure]) -> Iterator[Problem]:
    """Rules about the numbers that are judged beside crashes."""
    names = [measure.name for measure in measures]
    for name in sorted({name for name in names if names.count(name) > 1}):
        yield Problem("measure", f"Two measures are called {name}; hosts report one number under a name.")
    for measure in measures:
        if measure.weight == 0:
            yield Problem("measure", f"Measure {measure.name} has no weight, so nothing would follow from it.")


def _reach(policy: Policy) -> Iterator[Problem]:
    """Limits on early life that the rings, as far as they are numbers of hosts, can never prove."""
    cumulative: int | None = 0
    last = policy.rings[-1]
    for ring in policy.rings:
        cumulative = None if cumulative is None or ring.size.hosts is None else cumulative + ring.size.hosts
        limit = ring.promote.early_life
        if limit is None and ring is not last:
            yield Problem("early-life", f"Ring {ring.name} has no early_life limit; only the last ring may do without.")
        elif limit == 0:
            yield Problem("early-life", f"Ring {ring.name}: no number of hosts proves an early_life of 0.")
        elif limit and cumulative is not None and cumulative < (need := smallest_clean_n(limit)):
            seen = f"{cumulative} hosts through ring {ring.name} cannot show early_life {limit:.3%}"
            yield Problem("early-life", f"{seen}: {need} clean confirmations are needed.")


def _ring(ring: Ring) -> Iterator[Problem]:
    """Rules about one ring by itself."""
    if ring.size.share == 0:
        yield Problem("size", f"Ring {ring.name} has no hosts.")
    if ring.budget < 1:
        yield Problem("budget", f"Ring {ring.name}: a budget of {ring.budget:g} admits nobody; 1 is the least.")
    if ring.bake.min > ring.bake.max:
        yield Problem("bake", f"Ring {ring.name} bakes longer at least than at most.")
    if ring.promote.margin is not None and ring.promote.margin <= 1:
        yield Problem(
            "margin", f"Ring {ring.name}: a margin of {ring.promote.margin:g} cannot be proven; write above 1."
        )
    if ring.approval is not None and ring.approval.role not in ROLES:
        yield Problem("role", f"Ring {ring.name} asks the role {ring.approval.role}, which nobody can hold.")
    if ring.opens is not None and ring.opens.after >= ring.opens.before:
        yield Problem("opens", f"Ring {ring.name} never opens: after is not before `before`.")
    if ring.opens is not None and not _known(ring.opens.zone):
        yield Problem("opens", f"Ring {ring.name}: {ring.opens.zone} is no time zone known here.")


def _known(zone: str) -> bool:
    """Ask the system's zone table; an unknown name must fail now and not when the ring is to open."""
    try:
        ZoneInfo(zone)
    except (OSError, ValueError, KeyError):
        return False
    return True


def _warnings(policy: Policy) -> Iterator[Problem]:
    """What is allowed and unwise."""
    for ring in policy.rings:
        yield from _ring_warnings(ring, measured=bool(policy.judge.measures))
    if policy.rings[-1].promote.margin is not None:
        yield Problem(
            "margin", "The last ring has a margin: hardly any control is left, so it may bake to its maximum."
        )
    if policy.hold_out == 0:
        yield Problem("hold-out", "Nothing is held out: in the last ring no control is left to compare with.")
    if policy.judge.halt_at < 100:
        yield Problem("thresholds", f"A good release is halted with a chance of up to {1 / policy.judge.halt_at:.1%}.")
    if policy.judge.halt_at > 100:
        yield Problem("thresholds", "halt_at above 100 halts later than the method was tested for.")
    if policy.coverage.at_least < 0.5:
        yield Problem("coverage", "With less than half of an arm heard, a comparison is a guess.")
    if policy.coverage.stale_after < policy.judge.every:
        yield Problem("coverage", "Evidence goes stale before the next judgement: the judge will be blind.")
    if policy.watch == timedelta(0):
        yield Problem("watch", "Nothing is judged after completion: a late fault is found by nobody.")


def _ring_warnings(ring: Ring, *, measured: bool) -> Iterator[Problem]:
    """What is allowed and unwise in one ring; `measured`: the policy has measures."""
    if ring.promote.early_life == 1.0:
        yield Problem("early-life", f"Ring {ring.name}: an early_life of 100% lets every release pass this gate.")
    if ring.select is not None and measured:
        yield Problem("measure", f"Ring {ring.name} is hand-picked: what its hosts measure is not judged.")
