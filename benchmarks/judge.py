"""How fast evidence is read and folded, and how long one live judgement takes: python -m benchmarks.judge [ROWS].

Times are this process's own, so that what else runs on the machine does not count.
"""

import sys
import time

import numpy as np

from policies.profiles import profile
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
        print(f"{name}: {count / (time.process_time() - begun):,.0f} rows/s folded (e {judged.e:.3g})")
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


if __name__ == "__main__":
    main()
