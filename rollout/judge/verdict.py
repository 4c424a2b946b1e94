"""The judgement of a rollout: one of four verdicts, the numbers behind it, and what an operator reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rollout.evidence.rows import TickRow
from rollout.judge.measures import LoudMeasure, Measures
from rollout.judge.promote import Gate, all_known, span
from rollout.judge.seen import Hosts, Loud, Seen

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

    `e` is E-bar, `guards` the boosted E of each guard, a stratum's under `stratum:` and its name, a measure's under
    `measure:`. `halt` is for good; `pause` is in force until a resume.
    `window` and `windows` (by stratum) are how many adoptions may be outstanding; both must admit.
    `promotable`: every gate of `promotion` holds for ring `ring`; `approved`: the ring's quorum has approved this
    evidence (True where none is asked). `n`, `x`: prefix in grant order; `early_life`: its U_p.
    `said` is why it is that verdict; `loudest` the guard or measure that weighs most in E-bar, `seen` what all guards
    saw, `measures` what was measured.
    `unsettled`: adoptions neither confirmed, failed nor overdue; the next ring opens at 0.
    `ratio`: 95 % interval of the hazard ratio of crashes, None: no upper limit yet.
    `clock`: rollout-clock seconds of the newest tick.
    """

    verdict: Verdict
    said: str
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
    loudest: Loud | LoudMeasure
    seen: Seen = field(compare=False)
    measures: Measures = field(compare=False)

    @property
    def sentence(self) -> str:
        """Return the verdict with the evidence for it and the interval."""
        return self.told()

    def told(self, of: Hosts | None = None) -> str:
        """Return the sentence; `of`: how many hosts are in each arm of the loudest guard."""
        return f"{self.said} Evidence of harm is {self.e:.3g}, {self._evidence(of)}. {self.interval}"

    @property
    def interval(self) -> str:
        """Return the interval as a sentence."""
        low, high = self.ratio
        if high is None:
            bound = "any number of times" if low <= 0 else f"at least {low:.2g} times"
        else:
            bound = f"at most {high:.2g} times" if low <= 0 else f"{low:.2g} to {high:.2g} times"
        return f"Exposed hosts crash {bound} as often as control (95 %)."

    def _evidence(self, of: Hosts | None) -> str:
        """Say which guard it comes from."""
        if isinstance(self.loudest, Loud) and not (self.loudest.arms.exposed or self.loudest.arms.control):
            return "since no host has failed yet"
        return f"most of it from {self.loudest.sentence(of)}"


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
    shut = [gate for gate in promotion if not gate.passed]
    if shut:
        said = "; ".join(gate.sentence for gate in shut)
        return "inconclusive", f"Ring {tick.ring} waits: {said}.{_when(tick.ring, [gate.hours for gate in shut])}"
    return "healthy", f"Ring {tick.ring} may be promoted: {'; '.join(gate.sentence for gate in promotion)}."


def _when(ring: str, hours: Sequence[float | None]) -> str:
    """Say when the gates that are shut would open at the present rate, where that can be said of all."""
    if not all_known(hours):
        return ""
    longest = max(each for each in hours if each is not None)
    return f" At the present rate ring {ring} may be promoted in about {span(3600 * longest)}."
