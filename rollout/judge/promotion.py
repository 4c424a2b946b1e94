"""The two promotion gates: evidence of safety, never absence of evidence.

Hazard gate: two reversed e-processes with the null "ratio at least the ring's margin", on `crash` and on
`crash_or_dark` rows since the rollout began; P >= 20 in both excludes the margin at 5 %. Every ring's margin is
followed from the first row on, so that a later ring's gate knows the whole rollout.
Early-life gate: U_p of all adoptions, see `policies.early_life`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final

import numpy as np

from policies.early_life import early_life_bound
from rollout.evidence.rows import Guard
from rollout.judge.columns import Columns
from rollout.judge.eprocess import SAFETY_RATIOS, Draws, EProcess, Floats, log_mean
from rollout.judge.guards import GUARDS

SAFETY: Final = EProcess(SAFETY_RATIOS)
PROMOTE_AT: Final = 20.0
"""P that excludes a margin at 5 %."""
SAFETY_GUARDS: Final[tuple[Guard, Guard]] = ("crash", "crash_or_dark")

bound = lru_cache(maxsize=4096)(early_life_bound)
"""U_p after n outcomes of which x failed; remembered, since ticks without news ask again."""


@dataclass(frozen=True)
class SafetyState:
    """The reversed processes: `margin` (margins,), `log_m` by guard (margins, grid)."""

    margin: Floats
    log_m: dict[Guard, Floats]

    @classmethod
    def start(cls, margins: Sequence[float]) -> "SafetyState":
        """Return P = 1 for every distinct margin."""
        distinct = np.unique(np.asarray(margins, np.float64))
        return cls(distinct, {guard: SAFETY.start(distinct.size) for guard in SAFETY_GUARDS})

    def fold(self, rows: Columns) -> "SafetyState":
        """Return the state after the rows (of any guards, in order)."""
        if not self.margin.size:
            return self
        log_m, (exposed, share) = dict(self.log_m), rows.safety(self.margin)
        for guard in SAFETY_GUARDS:
            own = (rows.guard == GUARDS.index(guard)).nonzero()[0]
            if own.size:
                log_m[guard] = SAFETY.advance(log_m[guard], Draws(exposed[own], share[:, own]), rows.weight[own])
        return SafetyState(self.margin, log_m)

    def evidence(self, margin: float) -> dict[Guard, float]:
        """Return P of each guard against a margin that was given at the start."""
        at = int(self.margin.searchsorted(margin))
        return dict(zip(self.log_m, self._p[:, at].tolist(), strict=True))

    @cached_property
    def _p(self) -> Floats:
        """P of (guards, margins): gates, and those who time them, ask more than once."""
        p: Floats = np.exp(np.minimum(log_mean(np.array(list(self.log_m.values()))), 700.0))
        return p
