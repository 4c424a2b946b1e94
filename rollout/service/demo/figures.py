"""The numbers of a performance, `rollout.demo/1`, and whether it ended as it should (INTERFACES section 5)."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollout.service.demo.operator import Happening
from rollout.service.demo.scenarios import BASELINES, Scenario
from rollout.simulation.swarm.fleet import Member
from rollout.simulation.swarm.host import Stage
from rollout.simulation.swarm.truth import Truth

SCHEMA = "rollout.demo/1"
STOPS = frozenset({"judge.trip", "judge.halt"})


@dataclass(frozen=True, slots=True)
class Homecoming:
    """Touched hosts: how many run their own earlier release again, by its counter; how many live and do not."""

    back: Mapping[int, int]
    astray: int


@dataclass(frozen=True, slots=True)
class Ending:
    """Everything that is known when the curtain falls. `first_failed`: seconds since the rollout began."""

    scenario: Scenario
    found: Mapping[str, Any]
    happenings: Sequence[Happening]
    truth: Truth
    homecoming: Homecoming
    first_failed: float | None
    in_time: bool

    @property
    def as_expected(self) -> bool:
        """Whether state, verdict, harm and way back are what the scenario promises."""
        promised = self.scenario
        return (
            self.in_time
            and self.found["state"] == promised.state
            and promised.verdict in {None, self.found["verdict"]}
            and (promised.bound is None or self.truth.harmed <= promised.bound)
            and (promised.state != "rolled-back" or (self.truth.harmed > 0 and self.homecoming.astray == 0))
            and (promised.blinding is None or self._untouched)
            and self._believed
        )

    @property
    def _untouched(self) -> bool:
        """Blindness neither promotes nor rolls back."""
        promoted = any(ring["hosts"] and ring["state"] == "promoted" for ring in self.found["rings"])
        return not promoted and self.truth.back == 0

    @property
    def _believed(self) -> bool:
        """The service believes nobody back who is dead."""
        claimed = sum(row.detail["back"] for row in self.happenings if row.kind == "rollout.rolled-back")
        return bool(claimed <= self._exposed - self.truth.dead)

    @property
    def _exposed(self) -> int:
        return sum(int(ring["granted"]) for ring in self.found["rings"])

    def document(self, hosts: int, seed: int, total: float) -> dict[str, Any]:
        """Return the figures; `total` in seconds. The story and the engine's page are the caller's to add."""
        return {
            "scenario": self.scenario.name,
            "hosts": hosts,
            "seed": seed,
            "as_expected": self.as_expected,
            "state": self.found["state"],
            "verdict": self.found["verdict"],
            "harmed": self.truth.harmed,
            "exposed": self._exposed,
            "held_out": sum(ring["held_out"] for ring in self.found["rings"]),
            "baselines": {str(counter): self.homecoming.back.get(counter, 0) for counter in BASELINES},
            "seconds": self._seconds() | {"total": round(total, 3)},
        }

    def _seconds(self) -> dict[str, float | None]:
        failed = self._failed
        stopped = next((row.at for row in self.happenings if row.kind in STOPS), None)
        return {
            "failure_to_stop": _between(failed, stopped),
            "failure_to_last_go": _between(failed, self.truth.last_go),
            "failure_to_last_back": _between(failed, self.truth.last_back),
        }

    @property
    def _failed(self) -> float | None:
        """When the service had the first counted failure: its 2xx to the report, or the judge's row of a silence."""
        began = next((row.at for row in self.happenings if row.kind == "rollout.started"), None)
        row = None if began is None or self.first_failed is None else began + self.first_failed
        return min((at for at in (self.truth.first_accepted, row) if at is not None), default=None)


def homecoming(members: Iterable[Member], origins: Mapping[str, int]) -> Homecoming:
    """Count where touched hosts are; `origins`: what each host ran before. The dead are neither back nor astray."""
    back: Counter[int] = Counter()
    astray = 0
    for host in (member.host for member in members if member.host.lives):
        if host.stage is Stage.DEAD:
            continue
        if host.running == origins[host.name]:
            back[host.running] += 1
        else:
            astray += 1
    return Homecoming(back, astray)


def _between(failed: float | None, then: float | None) -> float | None:
    """Seconds from the failure to then; 0 where then came first."""
    return None if failed is None or then is None else round(max(0.0, then - failed), 3)
