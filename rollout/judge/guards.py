"""Guards: one halting e-process each, boosted, and their weighted mean that stops a rollout.

E-bar = sum of w_j E_j is an e-process under any dependence between the guards. Boosting (Fischer & Ramdas, arXiv
2410.16076) spends what an E-process that jumps past its target L_j = halt_at / w_j would waste: where an exposed
failure would reach L_j the value becomes exactly L_j, and a control failure then keeps (E - q0 L_j) / (1 - q0).

Beside the four guards below each stratum has one (`judge.strata`); they share `strata_weight` evenly.
"""

import math
from dataclasses import dataclass
from typing import Final, NamedTuple, get_args

import numpy as np
from numpy.typing import ArrayLike

from rollout.evidence.rows import Guard
from rollout.judge.eprocess import HARM_RATIOS, Draws, EProcess, Floats, log_mean

GUARDS: Final[tuple[Guard, ...]] = get_args(Guard)
HARM: Final = EProcess(HARM_RATIOS)
LARGEST_GAIN: Final = math.log(HARM_RATIOS[-1])
"""No row raises ln E by more."""
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
    log_cap = math.log(cap) if cap < math.inf else math.inf
    if (state.log_e >= log_cap).all():  # at its cap a guard stays
        return state, np.full(rows.exposed.shape, log_cap)
    path = HARM.path(state.log_m, rows)
    unboosted = log_mean(path)
    gains = np.diff(unboosted, axis=-1)
    chain = np.cumsum(np.concatenate([state.log_e[..., None], gains], axis=-1), axis=-1)
    if chain.max() + LARGEST_GAIN >= log_cap - SLACK:
        _boost(chain, gains, HARM.if_exposed(path, rows) - unboosted[..., :-1], rows, log_cap)
    return GuardState(path[..., -1, :], chain[..., -1]), chain[..., 1:]


def _boost(chain: Floats, gains: Floats, if_exposed: Floats, rows: Draws, log_cap: float) -> None:
    """Boost a path (..., rows + 1) in place: plain gains until a row could reach the cap, one by one from there on.

    `gains` and `if_exposed` (..., rows): what ln E gains by each row, and would by an exposed failure.
    """
    within_reach = chain[..., :-1] + if_exposed >= log_cap - SLACK
    for member in np.ndindex(within_reach.shape[:-1]):
        if within_reach[member].any():
            first = int(within_reach[member].argmax())
            part = (*member, slice(first, None))
            start = float(chain[(*member, first)])
            steps = _Steps(gains[part], if_exposed[part], rows.exposed[part], rows.share[part])
            chain[(*member, slice(first + 1, None))] = _walk(start, steps, log_cap)


class _Steps(NamedTuple):
    """One rollout's rows (rows,), as `_walk` takes them."""

    gain: Floats
    if_exposed: Floats
    exposed: Floats
    share: Floats


def _walk(log_e: float, steps: _Steps, log_cap: float) -> list[float]:
    """Return one rollout's boosted ln E after each row."""
    path = []
    for gain, if_exposed, exposed, share in zip(*(column.tolist() for column in steps), strict=True):
        if log_e >= log_cap:
            log_e = log_cap
        elif log_e + if_exposed < log_cap - SLACK:
            log_e += gain
        elif exposed:
            log_e = log_cap
        elif 0.0 < share < 1.0:  # at 0 and at 1 a control failure says nothing
            left = (math.exp(log_e - log_cap) - share) / (1.0 - share)
            log_e = log_cap + math.log(left) if left > 0.0 else -math.inf
        path.append(log_e)
    return path


@dataclass(frozen=True, slots=True)
class Bar:
    """E-bar of the guards: `weight` by guard, `strata_weight` of all strata together, halting at `halt_at`."""

    weight: dict[Guard, float]
    strata_weight: float
    halt_at: float
    boost: bool

    def cap(self, guard: Guard) -> float:
        """Return L_j, the value at which this guard alone halts; infinity where it is not boosted."""
        return self._cap(self.weight[guard])

    def stratum_cap(self, strata: int) -> float:
        """Return the value at which the guard of one among so many strata alone halts."""
        return self._cap(self.strata_weight / max(1, strata))

    def _cap(self, weight: float) -> float:
        return self.halt_at / weight if self.boost and weight > 0 else math.inf

    def mean(self, log_e: dict[Guard, Floats], strata: ArrayLike = 1.0) -> Floats:
        """Return E-bar of the guards' ln E, all of one shape, and of the strata's mean E."""
        total = np.full(np.shape(log_e[GUARDS[0]]), self.strata_weight) * np.asarray(strata, np.float64)
        for guard in GUARDS:
            total = total + self.weight[guard] * np.exp(np.minimum(log_e[guard], 700.0))
        return total
