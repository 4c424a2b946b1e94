"""Guards: one halting e-process each, boosted, and their weighted mean that stops a rollout.

E-bar = sum of w_j E_j is an e-process under any dependence between the guards. Boosting (Fischer & Ramdas, arXiv
2410.16076) spends what an E-process that jumps past its target L_j = halt_at / w_j would waste: where an exposed
failure would reach L_j the value becomes exactly L_j, and a control failure then keeps (E - q0 L_j) / (1 - q0).

The strata's guards stay at E = 1: their share of the weight counts, and their evidence reaches E-bar through the
four guards below.
"""

import math
from dataclasses import dataclass
from typing import Final, get_args

import numpy as np

from rollout.evidence.rows import Guard
from rollout.judge.eprocess import HARM_RATIOS, Draws, EProcess, Floats, Trace

GUARDS: Final[tuple[Guard, ...]] = get_args(Guard)
HARM: Final = EProcess(HARM_RATIOS)
SLACK: Final = 1e-12
"""Relative slack of every comparison with a threshold: a sum of rounded terms may fall short of it."""
BAND_NULL_RATIO: Final = 10.0
"""Null ratio of a row whose band has fewer control than exposed hosts (JUDGE, time since boot)."""
HAND_PICKED_NULL_RATIO: Final = 1.25


def reached(value: float, threshold: float) -> bool:
    """Say whether an E-value reaches its threshold, up to rounding."""
    return value >= threshold * (1.0 - SLACK)


@dataclass(frozen=True, slots=True)
class GuardState:
    """One guard: `log_m` (..., grid) unboosted, and `log_e` (...), the boosted ln E."""

    log_m: Floats
    log_e: Floats

    @classmethod
    def start(cls, *batch: int) -> "GuardState":
        """Return E = 1."""
        return cls(HARM.start(*batch), np.zeros(batch))


def fold(state: GuardState, rows: Draws, cap: float) -> tuple[GuardState, Floats]:
    """Fold one guard's rows; return its state and the boosted ln E after each row (..., rows).

    `cap` is L_j; infinity leaves the process unboosted.
    """
    log_m, trace = HARM.trace(state.log_m, rows)
    path = _boosted(state.log_e, rows, trace, math.log(cap) if cap < math.inf else math.inf)
    return GuardState(log_m, path[..., -1]), path


def _boosted(log_e: Floats, rows: Draws, trace: Trace, log_cap: float) -> Floats:
    """Return the boosted path: plain products until a row could reach the cap, one by one from there on."""
    chain = np.cumsum(np.concatenate([log_e[..., None], trace.after - trace.before], axis=-1), axis=-1)
    within_reach = chain[..., :-1] + (trace.if_exposed - trace.before) >= log_cap - SLACK
    path = chain[..., 1:]
    for member in np.ndindex(within_reach.shape[:-1]):
        if within_reach[member].any():
            first = int(within_reach[member].argmax())
            part = (*member, slice(first, None))
            of = Trace(trace.before[part], trace.after[part], trace.if_exposed[part])
            path[part] = _walk(float(chain[(*member, first)]), Draws(rows.exposed[part], rows.share[part]), of, log_cap)
    return path


def _walk(log_e: float, rows: Draws, trace: Trace, log_cap: float) -> list[float]:
    """Return one rollout's boosted ln E row by row (each argument's arrays are of shape (rows,))."""
    path = []
    gains = zip(
        (trace.if_exposed - trace.before).tolist(),
        (trace.after - trace.before).tolist(),
        rows.exposed.tolist(),
        rows.share.tolist(),
        strict=True,
    )
    for if_exposed, as_seen, exposed, share in gains:
        if log_e >= log_cap:
            log_e = log_cap
        elif log_e + if_exposed < log_cap - SLACK:
            log_e += as_seen
        elif exposed:
            log_e = log_cap
        elif 0.0 < share < 1.0:  # at 0 and at 1 a control failure says nothing
            left = (math.exp(log_e - log_cap) - share) / (1.0 - share)
            log_e = log_cap + math.log(left) if left > 0.0 else -math.inf
        path.append(log_e)
    return path


@dataclass(frozen=True, slots=True)
class Bar:
    """E-bar of the guards: `weight` by guard (the strata's share apart), halting at `halt_at`."""

    weight: dict[Guard, float]
    strata_weight: float
    halt_at: float
    boost: bool

    def cap(self, guard: Guard) -> float:
        """Return L_j, the value at which this guard alone halts; infinity where it is not boosted."""
        weight = self.weight[guard]
        return self.halt_at / weight if self.boost and weight > 0 else math.inf

    def mean(self, log_e: dict[Guard, Floats]) -> Floats:
        """Return E-bar of the guards' ln E, all of one shape."""
        total = np.full(np.shape(log_e[GUARDS[0]]), self.strata_weight)
        for guard in GUARDS:
            total = total + self.weight[guard] * np.exp(np.minimum(log_e[guard], 700.0))
        return total
