"""The judgement of a rollout: one of four verdicts, the numbers behind it, and what an operator reads."""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from rollout.evidence.rows import TickRow
from rollout.judge.promote import Gate

Verdict: TypeAlias = Literal["healthy", "inconclusive", "unhealthy", "blind"]

_BLINDNESS = {
    "coverage": "too few control hosts report",
    "stale": "the evidence is too old",
    "gateway": "no gateway is alive",
    "store": "the store does not answer",
}


@dataclass(frozen=True, slots=True)
class Reason:
    """Why the evidence stopped adoption, when (`at`, `seq` of the row), and the sentence with its numbers."""

    kind: Literal["e-value", "first-five", "max-dark"]
    sentence: str
    at: float
    seq: int


@dataclass(frozen=True, slots=True)
class Judgement:
    """Everything decided from the rows so far.

    `e` is E-bar, `guards` the boosted E of each guard, a stratum's under `stratum:` and its name. `halt` is for good;
    `pause` is in force until a resume.
    `window` and `windows` (by stratum) are how many adoptions may be outstanding; both must admit.
    `promotable`: every gate of `promotion` holds for ring `ring`; `approved`: the ring's quorum has approved this
    evidence (True where none is asked). `n`, `x`: prefix in grant order; `early_life`: its U_p.
    `unsettled`: adoptions neither confirmed, failed nor overdue; the next ring opens at 0.
    `ratio`: 95 % interval of the hazard ratio of crashes, None: no upper limit yet.
    `clock`: rollout-clock seconds of the newest tick.
    """

    verdict: Verdict
    sentence: str
    e: float
    guards: dict[str, float]
    halt: Reason | None
    pause: Reason | None
    window: int
    windows: dict[str, int]
    ring: str | None
    promotable: bool
    approved: bool
    promotion: list[Gate]
    exceeded_max_bake: bool
    n: int
    x: int
    early_life: float
    unsettled: int
    overdue: int
    outstanding: int
    ratio: tuple[float, float | None]
    blind: str | None
    clock: float
    at: float
    seq: int


def verdict(
    halt: Reason | None, pause: Reason | None, tick: TickRow | None, promotion: list[Gate]
) -> tuple[Verdict, str]:
    """Return the verdict and its sentence; a stop outlasts blindness, and only open gates are health."""
    if halt is not None:
        return "unhealthy", f"Halted: {halt.sentence}."
    if pause is not None:
        return "unhealthy", f"Paused until people resume: {pause.sentence}."
    if tick is None:
        return "inconclusive", "Nothing is known yet; waiting for the first tick of the watch."
    if tick.blind is not None:
        return "blind", (
            f"Blind: {_BLINDNESS[tick.blind]} ({tick.control_reporting_bp / 100:g} % of control hosts report). "
            "Nothing is adopted or promoted until sight returns."
        )
    shut = [gate.sentence for gate in promotion if not gate.passed]
    if shut:
        return "inconclusive", f"Ring {tick.ring} waits: {'; '.join(shut)}."
    return "healthy", f"Ring {tick.ring} may be promoted: {'; '.join(gate.sentence for gate in promotion)}."
