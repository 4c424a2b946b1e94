"""What each scenario's fleet does when it loads the candidate, under which policy, and how it must end."""

import math
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from policies import profiles
from policies.early_life import early_life_bound
from policies.load import load
from rollout.plan import held_out_count, size_of
from rollout.simulation.swarm.faults import Blinding, Fault, Kind

PRODUCT = "sensor-content"
BASELINES = (1, 2)
CANDIDATE = 3
HOSTS = 2_000
FAST_HOSTS = 200
FIRST_BATCH = 5  # of the demo profile: what an update that kills at once may harm
BLIND_SECONDS = 10.0  # a blind rollout is looked at for so long (INTERFACES section 5)
SIGHTED_SECONDS = 1.0  # from the first go until beats of control hosts are lost
LOST_SHARE = 0.5  # of the control hosts; the judge is blind below 90 % coverage


@dataclass(frozen=True, slots=True)
class Scenario:
    """One story. `bound`: the most hosts that it may harm, None where the window alone decides."""

    name: str
    words: str
    state: str
    verdict: str | None = None
    fault: Kind = Kind.GOOD
    bound: int | None = None
    blinding: Blinding | None = None

    def blow(self, heartbeat: float) -> Fault:
        """What loading the candidate does; a crash comes Exp(5 s) later, or Exp(one heartbeat) if that is longer."""
        return Fault(self.fault, mean_seconds=max(5.0, heartbeat))


SCENARIOS: Mapping[str, Scenario] = {
    each.name: each
    for each in (
        Scenario("crashing", "every host that loads it crashes some seconds later and restarts", "rolled-back",
                 fault=Kind.CRASHING),
        Scenario("good", "it is no worse than what the hosts run now", "completed", bound=0),
        Scenario("lethal", "every host that loads it reports a crash and dies", "rolled-back",
                 fault=Kind.LETHAL, bound=FIRST_BATCH),
        Scenario("boot-loop", "every host that loads it dies without a word", "rolled-back",
                 fault=Kind.BOOT_LOOP, bound=FIRST_BATCH),
        Scenario("blind", "it is good, but the beats of half of the control hosts are lost on their way", "running",
                 verdict="blind", bound=0, blinding=Blinding(LOST_SHARE, SIGHTED_SECONDS)),
    )
}  # fmt: skip


def heartbeat_seconds(hosts: int) -> float:
    """The fleet's beat: 4 000 beats a second at most, so that the simulation fits on one core."""
    return max(1.0, hosts / 4_000)


def policy(hosts: int, *, fast: bool) -> dict[str, Any]:
    """Return the demo profile at this fleet's beat and size; `fast` halves its waits."""
    document: dict[str, Any] = deepcopy(profiles.document("demo"))
    document["heartbeat"] = f"{round(heartbeat_seconds(hosts) * 1000)}ms"
    if fast:
        document["confirm"]["uptime"] = "2s"
        for ring in document["rings"]:
            ring["bake"]["min"] = "1s"
    _fit(document, hosts)
    return document


def _fit(document: dict[str, Any], hosts: int) -> None:
    """Where a small fleet's rings could never show their early-life limit, ask of them what they can show."""
    shape = load(document)
    free = hosts - held_out_count(shape.hold_out, hosts)
    canary = min(size_of(shape.rings[0].size, hosts), max(FIRST_BATCH, free // 3))
    document["rings"][0]["size"] = {"hosts": canary}
    through = 0
    for ring, told in zip(shape.rings, document["rings"], strict=True):
        through = min(free, through + (size_of(ring.size, hosts) if through else canary))
        limit = ring.promote.early_life
        if limit is not None and early_life_bound(through, 0) > limit:
            told["promote"]["early_life"] = f"{math.ceil(100 * early_life_bound(through, 0))}%"
