"""The answer of a simulation: what share of runs did what, with intervals, and how much it cost."""

import math
from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from rollout.simulation.course import Outcome

Z_95 = 1.959963984540054


def wilson(hits: int, runs: int) -> tuple[float, float]:
    """Return the 95 % Wilson interval of a share."""
    if not runs:
        return 0.0, 1.0
    share, square = hits / runs, Z_95 * Z_95
    centre = share + square / (2 * runs)
    spread = Z_95 * math.sqrt(share * (1 - share) / runs + square / (4 * runs * runs))
    low, high = ((centre - spread) / (1 + square / runs), (centre + spread) / (1 + square / runs))
    return (max(0.0, low) if hits else 0.0), (min(1.0, high) if hits < runs else 1.0)


def answer(outcomes: Sequence[Outcome], seconds: float) -> dict[str, Any]:
    """Return the answer (contract: scenario). Counts of runs by how they ended, shares only in intervals.

    Beyond the contract: `promoted` (runs by ring that was), `hours_to_grant`, `running` (followed for too long),
    `stopped` (ever paused or halted) with its interval, and the interval of `completed`. `harmed`, `exposed_at_halt`,
    `crashes_before_halt` and `hours_*` are over the runs where there is such a number; null where there is none.
    """
    runs, ended = len(outcomes), Counter(one.state for one in outcomes)
    halted = [one for one in outcomes if one.halt_hours is not None]
    stopped = sum(one.paused or one.halt_hours is not None for one in outcomes)
    return {
        "runs": runs,
        "halted": len(halted),
        "halted_interval": list(wilson(len(halted), runs)),
        "paused": ended["paused"],
        "completed": ended["completed"],
        "completed_interval": list(wilson(ended["completed"], runs)),
        "held": ended["held"],
        "running": ended["running"],
        "stopped": stopped,
        "stopped_interval": list(wilson(stopped, runs)),
        "promoted": dict(Counter(ring for one in outcomes for ring in one.promoted)),
        "harmed": spread([one.harmed for one in outcomes]),
        "exposed_at_halt": spread([one.exposed for one in halted]),
        "crashes_before_halt": spread([one.crashes for one in halted]),
        "hours_to_halt": spread([one.halt_hours for one in halted]),
        "hours_to_grant": spread([one.grant_hours for one in outcomes]),
        "hours_to_complete": spread([one.complete_hours for one in outcomes]),
        "information_ratio": _mean([one.information for one in halted]),
        "sprt_ratio": _ratio(halted),
        "seconds": round(seconds, 3),
    }


def spread(values: Sequence[float | None]) -> dict[str, float] | None:
    """Return mean, median, 95th percentile and largest of the numbers there are."""
    known = np.array([value for value in values if value is not None], np.float64)
    if not known.size:
        return None
    return {
        "mean": float(known.mean()),
        "p50": float(np.quantile(known, 0.5, method="inverted_cdf")),
        "p95": float(np.quantile(known, 0.95, method="inverted_cdf")),
        "max": float(known.max()),
    }


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def _ratio(halted: Sequence[Outcome]) -> float | None:
    """Return exposed crashes at our halts beside those that the test which knows the ratio needed on the same paths."""
    needed = sum(one.sprt for one in halted if one.sprt is not None)
    return sum(one.crashes for one in halted if one.sprt is not None) / needed if needed else None
