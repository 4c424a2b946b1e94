"""A trial: what a policy would do on a given fleet with a good release, a lethal one, and one that is lethal to few.

The runs are those of `rollout simulate` with the production judge inside; what a ring can see is reckoned
(`rollout.judge.reach`). Hosts never sleep here, and limits, tags and opening hours are not played.
"""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

from policies.document import Policy
from rollout.evidence.matching import is_match
from rollout.judge.reach import RingReach, reach, shows, slow_rings, smallest_fault
from rollout.operation.base_rate import REFERENCE_RATE, REFERENCE_RESTARTS
from rollout.operation.lint import unreachable
from rollout.plan import ring_sizes
from rollout.ringmap import HELD_OUT
from rollout.simulation.answer import answer, spread, wilson
from rollout.simulation.course import Outcome, play
from rollout.simulation.crowd import each_run
from rollout.simulation.scenario import Fault, Fleet, Scenario

RELEASES: Final[Mapping[str, Fault]] = {
    "good": Fault(),
    "lethal": Fault(lethal=1.0, lethal_reports=False),
    "lethal_to_few": Fault(lethal=0.01, lethal_reports=False),
}
"""The releases that are tried; who dies falls silent, which is the hardest to see."""
OFTEN: Final = 0.1
"""Share of good rollouts that a ring may hold without a word of warning."""
TOLD_BY_FEW: Final = 10
"""Good rollouts that must have reached a ring before their share says more than the reckoning does."""
MOST_RUNS: Final = 200
FEWEST_RUNS: Final = 20
PLENTY: Final = 416.0
"""Crashes an hour over all runs of a release that two processors play in about a minute."""


@dataclass(frozen=True, slots=True)
class Ground:
    """The fleet that a policy is tried on; rates per host-hour, `restarts` per host and day, `strata` as shares."""

    hosts: int
    crashes: float
    silences: float = 0.0
    restarts: float = REFERENCE_RESTARTS
    strata: Mapping[str, float] = field(default_factory=lambda: {"all": 1.0})

    def scenario(self, fault: Fault, policy: Policy) -> Scenario:
        """Return the scenario of a fault on this fleet."""
        fleet = Fleet(
            hosts=self.hosts,
            crash_per_host_hour=self.crashes,
            dark_per_host_hour=self.silences,
            reboots_per_day=self.restarts,
            strata=dict(self.strata),
            beat=policy.heartbeat.total_seconds(),
        )
        return Scenario(name="trial", fleet=fleet, fault=fault)


def enough(ground: Ground) -> int:
    """Return how often to play each release where nobody says: as often as two processors can in about a minute."""
    return max(FEWEST_RUNS, min(MOST_RUNS, int(PLENTY / (ground.hosts * max(ground.crashes, REFERENCE_RATE)))))


def played(policy: Policy, ground: Ground, seed: int, runs: int, jobs: int) -> Iterator[Outcome]:
    """Yield `runs` outcomes of each of RELEASES, in turn."""
    scenarios = tuple(ground.scenario(fault, policy) for fault in RELEASES.values())
    yield from each_run(_one, scenarios, policy, seed, range(runs * len(scenarios)), jobs)


def _one(scenarios: tuple[Scenario, ...], policy: Policy, seed: int, number: int) -> Outcome:
    return play(scenarios[number % len(scenarios)], policy, seed, number)


def told(policy: Policy, ground: Ground, outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return what came of it: an answer for each release, the rings in order, and what to be warned of."""
    releases = {name: outcomes[number :: len(RELEASES)] for number, name in enumerate(RELEASES)}
    good = releases["good"]
    sizes = {name: size for name, size in ring_sizes(policy, ground.hosts) if name != HELD_OUT}
    seen = [each for each in reach(policy, sizes, ground.hosts, ground.crashes) if each.ring in sizes]
    before: list[str | None] = [None, *sizes]
    rings = [
        {"ring": each.ring, "hosts": sizes[each.ring], "margin": policy.ring(each.ring).promote.margin}
        | asdict(each)
        | (course := _course(policy, each, previous, good))
        | _sees(policy, each, ground, course["hours"])
        for previous, each in zip(before, seen, strict=False)
    ]
    return {
        "runs": len(good),
        "releases": {name: _answer(own) for name, own in releases.items()},
        "false_halts": _share(sum(one.halt_hours is not None for one in good), len(good)),
        "false_pauses": _share(sum(one.paused and one.halt_hours is None for one in good), len(good)),
        "held": _share(sum(one.state == "held" for one in good), len(good)),
        "rings": rings,
        "warnings": [
            *({"code": each.code, "detail": each.detail} for each in unreachable(seen, sizes)),
            *_held(policy, seen, slow_rings(policy, seen, sizes), rings),
            *_unlike(policy, ground, seen),
        ],
    }


def _answer(outcomes: Sequence[Outcome]) -> dict[str, Any]:
    """Return the answer of `rollout simulate`, without what is told elsewhere or asks for a known ratio."""
    elsewhere = {"runs", "promoted", "information_ratio", "sprt_ratio", "seconds"}
    return {name: value for name, value in answer(outcomes, 0.0).items() if name not in elsewhere}


def _share(hits: int, runs: int) -> dict[str, float]:
    """Return a share of runs with its 95 % interval."""
    low, high = wilson(hits, runs)
    return {"share": hits / runs if runs else 0.0, "low": low, "high": high}


def _course(policy: Policy, each: RingReach, previous: str | None, good: Sequence[Outcome]) -> dict[str, Any]:
    """Return how good rollouts came through a ring; `hours`: from its turn to its promotion."""
    ring = each.ring
    reached = [one for one in good if previous is None or previous in one.promoted]
    begun = {one.number: 0.0 if previous is None else one.promoted[previous] for one in reached}
    through = [one for one in reached if ring in one.promoted]
    held = [one for one in reached if one.state == "held" and ring not in one.promoted]
    waits = Counter(one.waited_for.get(ring, _by_time(policy, each)) for one in [*through, *held])
    return {
        "reached": len(reached),
        "promoted": len(through),
        "held": len(held),
        "held_share": _share(len(held), len(reached)),
        "hours": spread([one.promoted[ring] - begun[one.number] for one in through]),
        "waits_for": waits.most_common(1)[0][0] if waits else None,
    }


def _sees(policy: Policy, each: RingReach, ground: Ground, hours: Mapping[str, float] | None) -> dict[str, Any]:
    """Return what a ring sees in the time that half of the good rollouts leave it, else in its maximum bake."""
    longest = policy.ring(each.ring).bake.max.total_seconds() / 3600
    hazard = (longest if hours is None else hours["p50"]) * ground.crashes
    control = ground.hosts - each.hosts_through
    return {"smallest_fault_in_time": smallest_fault(each.hosts_through, control, hazard, policy.judge.halt_at)}


def _by_time(policy: Policy, each: RingReach) -> str:
    """Return which part of the minimum bake ends last."""
    bake = policy.ring(each.ring).bake
    return "host-hours" if bake.host_hours / each.hosts_through > bake.min.total_seconds() / 3600 else "bake"


def _held(
    policy: Policy, seen: Sequence[RingReach], slow: Sequence[RingReach], rings: Sequence[Mapping[str, Any]]
) -> Iterator[dict[str, str]]:
    """Warn of rings that hold good rollouts: by their share, or where too few came so far, by what is reckoned."""
    for each, ring in zip(seen, rings, strict=True):
        held = ring["held_share"]
        if ring["reached"] >= TOLD_BY_FEW and held["share"] > OFTEN:
            many = f"{held['share']:.0%} ({held['low']:.0%} to {held['high']:.0%}) of the good rollouts that reach it"
            said = f"Ring {each.ring} holds {many}, waiting for {ring['waits_for']}"
            yield {"code": "held", "detail": said + (f": {shows(policy, each)}." if each in slow else ".")}
        elif ring["reached"] < TOLD_BY_FEW and each in slow:
            yield {"code": "held", "detail": f"Ring {each.ring} may be held: {shows(policy, each)}."}


def _unlike(policy: Policy, ground: Ground, seen: Sequence[RingReach]) -> Iterator[dict[str, str]]:
    """Warn where hosts that adopt find too few of control that restarted within the same day."""
    if policy.kind == "content":
        return
    share = math.exp(-ground.restarts * 4 / 24) - math.exp(-ground.restarts)  # up for 4 to 24 hours
    alone, before = [], 0
    for each in seen:
        through, control = each.hosts_through, ground.hosts - each.hosts_through
        judged = policy.ring(each.ring).promote.margin is not None
        if judged and not is_match(through - before, round(control * share), through, control):
            alone.append(each.ring)
        before = through
    if alone:
        many = f"ring {alone[0]}" if len(alone) == 1 else f"rings {', '.join(alone)}"
        said = f"Hosts restart so seldom that those which adopt in {many} find too few of control as young as they are"
        yield {
            "code": "unlike",
            "detail": f"{said}: for a day only hazard ratios above 10 show in them, whatever it sees.",
        }
