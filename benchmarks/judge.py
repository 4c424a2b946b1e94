"""How fast evidence is read and folded, and how long one live judgement takes: python -m benchmarks.judge [ROWS].

Times are this process's own, so that what else runs on the machine does not count.
"""

import sys
import time

import numpy as np

from policies.profiles import profile
from rollout.event import Event, EventKind
from rollout.evidence.fold import EvidenceFold
from rollout.evidence.rows import AdoptionRow, FailureRow, Header, Row, TickRow, dump, read
from rollout.judge import Fold
from rollout.judge.replay import replay

GUARDS = ("crash", "crash_or_dark", "own", "dark")


def failures(count: int, ratio: float, first: int = 1) -> list[Row]:
    rng = np.random.default_rng(7)
    exposed = rng.integers(100, 10_000, count)
    arm = rng.random(count) < ratio * exposed / (ratio * exposed + 90_000)
    return [
        FailureRow(
            rollout="r",
            seq=first + i,
            at=float(i),
            ring="canary",
            guard=GUARDS[i % 4],
            stratum="a",
            arm="exposed" if arm[i] else "control",
            exposed_at_risk=int(exposed[i]),
            control_at_risk=90_000,
            exposed_confirmed=int(exposed[i]) // 2,
        )
        for i in range(count)
    ]


def adoptions(count: int) -> list[Row]:
    rows: list[Row] = []
    for i in range(count // 2):
        at = float(i)
        for name in ("granted", "confirmed"):
            rows.append(
                AdoptionRow(rollout="r", seq=len(rows) + 1, at=at, ring="canary", stratum="a", adoption=name, order=i)
            )
    return rows


def ticks(count: int) -> list[Row]:
    return [
        TickRow(rollout="r", seq=1 + i, at=float(i), clock=float(i), ring="canary", admitted=True, exposed=100,
                reporting_bp=10_000, control_reporting_bp=10_000, host_hours=float(i))
        for i in range(count)
    ]  # fmt: skip


def large_fleet(hosts: int, strata: list[str], rings: list[str]) -> EvidenceFold:
    rng = np.random.default_rng(1)
    fold = EvidenceFold("r", "edr", rings, strata, 60.0)
    fleet, everybody = fold.fleet, slice(1, hosts + 1)
    fleet.grow(hosts)
    fleet.ring[everybody] = fleet.turn[everybody] = rng.integers(-1, len(rings), hosts)
    fleet.stratum[everybody] = rng.integers(0, len(strata), hosts)
    fleet.directed[everybody] = fleet.active[everybody] = True
    fleet.seen[:] = fleet.heard_elapsed[:] = 0.0
    fleet.booted[:] = -rng.exponential(40_000, fleet.booted.size)
    fleet.granted[everybody] = fleet.confirmed[everybody] = rng.random(hosts) < 0.5
    return fold


def live_tick(hosts: int) -> float:
    """Milliseconds of what a tick does over the whole fleet, with five crashes to judge; the store is not in it."""
    strata, policy = [f"model-{number}" for number in range(50)], profile("driver")
    evidence = large_fleet(hosts, strata, [ring.name for ring in policy.rings])
    judge = Fold(policy, Header(rollout="r", strata=strata, policy_digest="0" * 64))
    spent = []
    for number in range(5):
        begun = time.process_time()
        for _ in range(2):
            evidence.fleet.coverage(30.0)
            evidence.fleet.heard_elapsed[evidence.fleet.witnesses].max()
        evidence.due(30.0, 1_200.0, 1_800.0, 1_200.0)
        evidence.sleep(1.0)
        crashed = [Event(1, 0.0, EventKind.CRASHED, 1 + 5 * number + each, None, None, {"own": ["edr"], "before": []})
                   for each in range(5)]  # fmt: skip
        judge.take(evidence.take(crashed, 1.0, 30.0))
        judge.judgement()
        evidence.dark_by_ring()
        spent.append(time.process_time() - begun)
    return sorted(spent)[2] * 1e3


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 500_000
    header = Header(rollout="r", strata=["a"], policy_digest="0" * 64)
    policy = profile("driver")
    kinds = {
        "guard rows, no fault": failures(count, 1.0),
        "guard rows, ratio 3": failures(count, 3.0),
        "adoption rows": adoptions(count),
    }
    for name, rows in kinds.items():
        fold = Fold(policy, header)
        begun = time.process_time()
        fold.take(rows)
        judged = fold.judgement()
        print(f"{name}: {count / (time.process_time() - begun):,.0f} rows/s folded (target 500,000; e {judged.e:.3g})")
    lines = [dump(row) for row in (header, *kinds["guard rows, no fault"])]
    begun = time.process_time()
    read(lines)
    print(f"read: {count / (time.process_time() - begun):,.0f} rows/s")
    begun = time.process_time()
    replay([header, *ticks(count // 20)], policy)
    print(f"replay of ticks that all ask the gates: {count / 20 / (time.process_time() - begun):,.0f} ticks/s")
    begun = time.process_time()
    for row in failures(200, 1.0, first=count + 1):
        fold.take([row])
        fold.judgement()
    print(f"one live tick of one row, with its judgement: {(time.process_time() - begun) / 200 * 1e3:.2f} ms")
    print(f"one live tick of a fleet of 1 000 000 hosts, five crashes: {live_tick(1_000_000):.0f} ms (target 100)")


if __name__ == "__main__":
    main()
