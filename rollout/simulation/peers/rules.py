"""The rules: each turns a path into a statistic over time, and halts where it reaches a threshold.

A default is what the product's own documentation shows; where a product leaves the number to its user, the one of its
example is taken and said. Tuned thresholds come from `compare`. All of them count what they would count in practice:
products see every crash report, the statistical tests a host's first.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rollout.simulation.peers.path import Path

Floats = NDArray[np.float64]
FAILURE_LIMIT: Final = 3
"""Argo Rollouts' `failureLimit` in its documentation: one failed measurement more fails the analysis."""
LEAST_EXECUTED: Final = 100
"""`minNumberOfExecutedThings` of AWS IoT Jobs, as large as the canary."""
LEAST_POINTS: Final = 10
"""Hours of one ring before a canary score is asked."""
RATIOS: Final = np.geomspace(1.0, 300.0, 64)[1:]


class Course(NamedTuple):
    """A statistic: `value` from the hour `at` on."""

    at: Floats
    value: Floats


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `default` halts at this value (None: it has no default); `statistic` is computed of a path."""

    name: str
    source: str
    default: float | None
    statistic: Callable[[Path], Course]


def fixed_threshold(path: Path) -> Course:
    """Return the crash share of exposed host-hours that more than FAILURE_LIMIT hours so far have reached."""
    hours, crashes, hosts = _hourly(path, path.is_exposed())
    return Course(hours, _repeatedly(crashes / np.maximum(hosts, 1.0)))


def fixed_threshold_per_ring(path: Path) -> Course:
    """Return the same, of the newest ring's hosts alone and counted anew in each: an analysis for each step."""
    parts = []
    for ring, (start, end) in enumerate(_spans(path)):
        hours, crashes, _ = _hourly(path, path.ring == ring, start, end)
        parts.append(Course(hours, _repeatedly(crashes / max(path.sizes[ring], 1.0))))
    return _joined(parts)


def group_error_share(path: Path) -> Course:
    """Return the largest share of any ring's hosts in error."""
    at, ring = path.at[path.is_exposed() & path.first], path.ring[path.is_exposed() & path.first]
    shares = np.zeros(at.size)
    for number, size in enumerate(path.sizes):
        shares[ring == number] = np.arange(1, (ring == number).sum() + 1) / max(size, 1.0)
    return Course(at, shares)


def job_failure_share(path: Path) -> Course:
    """Return the share of all hosts so far that failed, once enough have executed the job."""
    at = path.at[path.is_exposed() & path.first]
    executed = path.hosts(at)
    share = np.arange(1, at.size + 1) / np.maximum(executed, 1.0)
    return Course(at, np.where(executed >= LEAST_EXECUTED, share, 0.0))


def hourly_z(path: Path) -> Course:
    """Return the z of the two arms' crash rates so far, hour by hour, as if each look were the only one."""
    hours, observed, expected, variance = _log_rank(path, path.first)
    return Course(hours, (observed - expected) / np.sqrt(np.maximum(variance, 1e-9)))


def obrien_fleming(path: Path) -> Course:
    """Return z times the root of the share of information, at the end of each ring's bake only."""
    hours, observed, expected, variance = _log_rank(path, path.first)
    looks = np.array([end for _, end in _spans(path)])
    at = np.searchsorted(hours, looks, side="right") - 1
    z = (observed - expected)[at] / np.sqrt(np.maximum(variance[at], 1e-9))
    return Course(looks, z * np.sqrt(np.arange(1, looks.size + 1) / path.sizes.size))


def canary_score(path: Path) -> Course:
    """Return the Mann-Whitney z of hourly crashes in the newest ring against as many control hosts."""
    parts = []
    for ring, (start, end) in enumerate(_spans(path)):
        hours, canary, _ = _hourly(path, path.ring == ring, start, end)
        _, control, _ = _hourly(path, ~path.is_exposed(), start, end)
        around = np.append(path.control, 0.0)[np.minimum(np.searchsorted(path.at, hours), max(path.at.size - 1, 0))]
        baseline = control * np.minimum(1.0, path.sizes[ring] / np.maximum(around, 1.0))
        parts.append(Course(hours, _mann_whitney(canary, np.round(baseline))))
    return _joined(parts)


def max_sprt(path: Path) -> Course:
    """Return the log likelihood ratio of the best ratio above 1 so far against 1, at each first crash."""
    exposed, share = _draws(path)
    steps = exposed[:, None] * np.log(RATIOS) - np.log1p((RATIOS - 1.0) * share[:, None])
    return Course(path.at[path.first], np.maximum(np.cumsum(steps, axis=0).max(axis=1, initial=0.0), 0.0))


def clairvoyant(path: Path) -> Course:
    """Return the log likelihood ratio of the path's own ratio against 1: nobody can know it."""
    exposed, share = _draws(path)
    value = np.cumsum(exposed * math.log(max(path.ratio, 1.0)) - np.log1p((max(path.ratio, 1.0) - 1.0) * share))
    return Course(path.at[path.first], value)


RULES: Final = (
    Rule("fixed threshold", "Argo Rollouts' success-rate example: 95 %, failureLimit 3", 0.05, fixed_threshold),
    Rule("fixed threshold per ring", "the same as an analysis for each step", 0.05, fixed_threshold_per_ring),
    Rule("group error share", "hawkBit: errorCondition THRESHOLD 50", 0.5, group_error_share),
    Rule("job failure share", "AWS IoT Jobs: abortConfig 10 % (no default) of at least 100", 0.1, job_failure_share),
    Rule("repeated z-test", "1 % one-sided at each hour", 2.326, hourly_z),
    Rule("canary score", "Kayenta's Mann-Whitney, 98 % interval, equal arms", 2.326, canary_score),
    Rule("O'Brien-Fleming", "five looks, 1 % one-sided", 2.386, obrien_fleming),
    Rule("MaxSPRT", "Kulldorff; its threshold is calibrated", None, max_sprt),
    Rule("clairvoyant SPRT", "Wald, told the true ratio: the floor", math.log(100.0), clairvoyant),
)


def _spans(path: Path) -> list[tuple[float, float]]:
    """Return when each ring was the newest; the last one for as long as the others."""
    step = float(path.opened[1] - path.opened[0]) if path.opened.size > 1 else path.end
    return [(start, min(start + step, path.end)) for start in path.opened.tolist() if start < path.end]


def _hourly(
    path: Path, which: NDArray[np.bool_], start: float = 0.0, end: float | None = None
) -> tuple[Floats, Floats, Floats]:
    """Return the ends of whole hours, crash reports within each, and hosts exposed at its end."""
    edges = np.arange(start, (path.end if end is None else end) + 1e-9, 1.0)
    if edges.size < 2:
        return np.zeros(0), np.zeros(0), np.zeros(0)
    counts, _ = np.histogram(path.at[which], edges)
    return edges[1:], counts.astype(np.float64), path.hosts(edges[1:] - 1e-9)


def _repeatedly(shares: Floats) -> Floats:
    """Return what more than FAILURE_LIMIT values so far have reached."""
    found = np.zeros(shares.size)
    highest: list[float] = []
    for number, share in enumerate(shares.tolist()):
        highest = sorted([*highest, share], reverse=True)[: FAILURE_LIMIT + 1]
        found[number] = highest[-1] if len(highest) > FAILURE_LIMIT else 0.0
    return found


def _draws(path: Path) -> tuple[Floats, Floats]:
    """Return first crashes as (was it an exposed host, the share of the exposed among those at risk)."""
    exposed = path.is_exposed()[path.first].astype(np.float64)
    treated, control = path.exposed[path.first], path.control[path.first]
    return exposed, treated / np.maximum(treated + control, 1.0)


def _log_rank(path: Path, which: NDArray[np.bool_]) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the hours, and the exposed crashes observed and expected by then with their variance."""
    exposed = path.is_exposed()[which].astype(np.float64)
    share = path.exposed[which] / np.maximum(path.exposed[which] + path.control[which], 1.0)
    hours = np.arange(1.0, path.end + 1e-9)
    by = np.searchsorted(path.at[which], hours, side="right")
    sums = [np.concatenate([[0.0], np.cumsum(each)])[by] for each in (exposed, share, share * (1.0 - share))]
    return hours, sums[0], sums[1], sums[2]


def _mann_whitney(canary: Floats, baseline: Floats) -> Floats:
    """Return z after each hour of the rank sum of all hours so far, with its correction for ties."""
    found = np.zeros(canary.size)
    for size in range(LEAST_POINTS, canary.size + 1):
        values = np.concatenate([canary[:size], baseline[:size]])
        _, where, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[where]
        total = 2 * size
        spread = size * size / 12.0 * ((total + 1) - (counts**3 - counts).sum() / (total * (total - 1)))
        above = ranks[:size].sum() - size * (size + 1) / 2.0 - size * size / 2.0
        found[size - 1] = above / math.sqrt(spread) if spread > 0 else 0.0
    return found


def _joined(parts: list[Course]) -> Course:
    if not parts:
        return Course(np.zeros(0), np.zeros(0))
    return Course(np.concatenate([part.at for part in parts]), np.concatenate([part.value for part in parts]))
