"""The judge again, written from its formulas alone: one row at a time, slowly.

It shares no code with the judge; sums, Beta functions and roots are SciPy's. Only for tests.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import betaln, logsumexp

HALT, FOUR = 100.0, ("crash", "crash_or_dark", "dark", "own")
WEIGHTS = {"crash": 0.30, "crash_or_dark": 0.25, "dark": 0.20, "own": 0.15}
STRATA_WEIGHT = 0.10


def mixture(sums):
    """ln of the mean of exp(sums)."""
    return float(logsumexp(sums) - math.log(len(sums)))


class Process:
    """log M of each alternative to one null."""

    def __init__(self, grid):
        self.grid = np.asarray(grid)
        self.sums = np.zeros(len(grid))

    def weighed(self, exposed, y1, y0, null, weight):
        """The part `weight` of a row's factor, and 1 - `weight` of none."""
        before = self.sums
        self.row(exposed, y1, y0, null)
        self.sums = before + np.log(1 - weight + weight * np.exp(self.sums - before))

    def row(self, exposed, y1, y0, null):
        """x ln(q(theta)/q(null)) + (1 - x) ln((1 - q(theta))/(1 - q(null)))."""
        theta = self.grid * null
        if y0 == 0:
            return  # nobody to compare with
        if y1 == 0:
            self.sums = self.sums + exposed * np.log(theta / null)  # the limit of small Y1
            return
        q, q0 = theta * y1 / (theta * y1 + y0), null * y1 / (null * y1 + y0)
        self.sums = self.sums + (np.log(q / q0) if exposed else np.log((1 - q) / (1 - q0)))

    @property
    def log_e(self):
        return mixture(self.sums)

    def after(self, exposed, y1, y0, null):
        """ln of the mixture mean had this row come."""
        trial = Process(self.grid)
        trial.sums = self.sums
        trial.row(exposed, y1, y0, null)
        return trial.log_e


class Guard:
    """A guard: one boosted process, from some row on two of them with three quarters and one of its weight."""

    def __init__(self, target):
        self.parts = [(1.0, Boosted(target))]

    def part(self):
        if len(self.parts) == 1:
            self.parts = [(share, self.parts[0][1].as_part(share)) for share in (0.75, 0.25)]

    def row(self, own, wide):
        for (_, process), row in zip(self.parts, (own, wide), strict=False):
            process.row(*row)

    @property
    def value(self):
        return sum(share * process.value for share, process in self.parts)


class Boosted:
    """A process with its boosted value E'; its target is L."""

    def __init__(self, target):
        self.process, self.value, self.target = Process(np.geomspace(1.15, 300, 32)), 1.0, target

    def as_part(self, share):
        reached = self.value >= self.target * (1 - 1e-12)
        part = Boosted(self.target if reached else self.target / share)
        part.process.sums, part.value = self.process.sums, self.value
        return part

    def row(self, exposed, y1, y0, null):
        before = self.process.log_e
        f1 = math.exp(self.process.after(True, y1, y0, null) - before)
        f0 = math.exp(self.process.after(False, y1, y0, null) - before)
        self.process.row(exposed, y1, y0, null)
        if self.value >= self.target * (1 - 1e-12):
            self.value = self.target
            return
        q0 = null * y1 / (null * y1 + y0) if y1 + y0 else 0.0
        if y0 == 0:
            f1 = 1.0
        if self.value * f1 < self.target * (1 - 1e-12):
            self.value *= f1 if exposed else f0
        elif exposed:
            self.value = self.target
        elif 0 < q0 < 1:
            self.value = max(0.0, (self.value - q0 * self.target) / (1 - q0))


class Reference:
    """E of every guard, E-bar, and P against the margins, of the rows of one rollout."""

    def __init__(self, strata, margins, boost=True):
        cap = (lambda weight: HALT / weight) if boost else (lambda _: math.inf)
        self.guards = {name: Guard(cap(weight)) for name, weight in WEIGHTS.items()}
        self.strata = {name: Guard(cap(STRATA_WEIGHT / len(strata))) for name in strata}
        grid = np.geomspace(0.1, 0.999, 24)
        self.safety = {(guard, m): Process(grid) for guard in ("crash", "crash_or_dark") for m in margins}
        self.crossed = {}

    def row(self, row, picked=False):
        exposed, y1, y0 = row.arm == "exposed", row.exposed_at_risk, row.control_at_risk
        null = 1.25 if picked else 1.0
        unmatched = (row.band is not None and row.control_in_stratum is not None and row.exposed_unmatched is None
                     and y0 < y1)  # fmt: skip
        if unmatched:
            y0, null = row.control_in_stratum, 10.0
        whole, base = y0, 1.25 if picked else 1.0
        apart = row.exposed_unmatched is not None
        own = wide = (exposed, y1, y0, null)
        if apart:
            self.part()
            alone = row.band is not None and row.confirmed_in_stratum is not None
            unmatched, null = alone, base
            own = (exposed, y1, 0 if alone else row.control_at_risk, base)
            says_nothing = exposed and not alone
            wide = (exposed, row.exposed_unmatched, 0 if says_nothing else row.control_in_stratum, max(base, 10.0))
            whole = row.control_in_stratum if alone else row.control_at_risk
        self.guards[row.guard].row(own, wide)
        stratum = row.stratum if row.stratum in self.strata else "other"
        if row.guard == "crash_or_dark" and stratum in self.strata:
            self.strata[stratum].row(own, wide)
        proven, weight = min(row.exposed_confirmed, row.exposed_at_risk), 1.0
        if unmatched and row.confirmed_in_stratum is None:
            weight = float(exposed)
        elif unmatched:
            here, proven = proven, max(proven, row.confirmed_in_stratum)
            weight = overlap(exposed, here, proven, row.control_at_risk, whole)
        for (guard, margin), process in self.safety.items():
            if guard == row.guard:
                process.weighed(exposed, proven, whole, margin, weight)
        for level in (20.0, 100.0):
            if self.e >= level * (1 - 1e-12):
                self.crossed.setdefault(level, row.seq)

    def part(self):
        for guard in (*self.guards.values(), *self.strata.values()):
            guard.part()

    @property
    def e(self):
        four = sum(WEIGHTS[name] * guard.value for name, guard in self.guards.items())
        strata = [guard.value for guard in self.strata.values()]
        return four + STRATA_WEIGHT * (sum(strata) / len(strata) if strata else 1.0)


def overlap(exposed, here, proven, control, whole):
    """An exposed failure counts as the band's share of control (and one more) to that of exposed, and the reverse."""
    if exposed:
        return min(1.0, (control + 1) * proven / (here * whole)) if here and whole else 1.0
    return min(1.0, here * whole / (control * proven)) if control and proven else 0.0


def early_life(n, x):
    """The largest p that the Beta mixture has not rejected: U_p."""
    if x == n:
        return 1.0

    def excess(p):
        mixed = betaln(x + 0.5, n - x + 0.5) - betaln(0.5, 0.5)
        return mixed - x * math.log(p) - (n - x) * math.log1p(-p) - math.log(20)

    peak = max(x / n, 1e-12)
    return brentq(excess, peak, 1 - 1e-15, xtol=1e-16, rtol=1e-14)


def interval(rows):
    """The limits of the hazard ratio of crashes: nulls rejected at 2.5 % from either side, at any look."""
    steps = np.arange(-24, 25)
    low, high = 0.0, math.inf
    above = {s: Process(2.0 ** (np.arange(1, 34) / 4)) for s in steps}
    below = {s: Process(2.0 ** (np.arange(-13, 0) / 4)) for s in steps}
    for number, row in enumerate((row for row in rows if row.guard == "crash"), start=1):
        if row.exposed_unmatched is not None:
            matched = row.band is None or row.confirmed_in_stratum is None
        else:
            matched = not (row.band is not None and row.control_in_stratum is not None
                           and row.control_at_risk < row.exposed_at_risk)  # fmt: skip
        for s in steps:
            y1, y0 = row.exposed_at_risk, row.control_at_risk if matched else 0
            for process in (above[s], below[s]):
                process.row(row.arm == "exposed", y1, y0, 2.0 ** (s / 4))
        if number <= 256 or number % 64 == 0:
            low = max([low, *(2.0 ** (s / 4) for s in steps if above[s].log_e >= math.log(40) - 1e-12)])
            high = min([high, *(2.0 ** (s / 4) for s in steps if below[s].log_e >= math.log(40) - 1e-12)])
    return min(low, high), (None if high == math.inf else max(low, high))
