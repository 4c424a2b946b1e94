"""What a picture shows of one run, folded again from its evidence by the production judge."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from policies.load import load
from rollout.evidence.rows import AdoptionRow, EvidenceError, FailureRow, Header, Row, TickRow
from rollout.judge import Fold

LOOKS: Final = 600
"""Points of a curve: more than a picture has columns."""


@dataclass(slots=True)
class Trace:
    """Curves over seconds; each list is as long as `at`. `opened`: rings by when they opened, `stops`: by what."""

    at: list[float] = field(default_factory=list)
    granted: list[float] = field(default_factory=list)
    failures: list[float] = field(default_factory=list)
    expected: list[float] = field(default_factory=list)
    evidence: list[float] = field(default_factory=list)
    window: list[float] = field(default_factory=list)
    opened: list[tuple[float, str]] = field(default_factory=list)
    stops: list[tuple[float, str]] = field(default_factory=list)


def trace(rows: Sequence[Row]) -> Trace:
    """Return the curves of one rollout's rows, header first; raises EvidenceError where there is no policy."""
    header = rows[0]
    if not isinstance(header, Header) or header.policy is None:
        raise EvidenceError("a picture needs a header that carries its policy")
    fold, found = Fold(load(header.policy), header), Trace()
    granted = failures = 0
    expected = 0.0
    taken = 1
    for end in _cuts(rows):
        for row in rows[taken:end]:
            granted += row.count if isinstance(row, AdoptionRow) and row.adoption == "granted" else 0
            if isinstance(row, FailureRow) and row.guard == "crash_or_dark":
                failures += row.arm == "exposed"
                expected += row.exposed_at_risk / max(row.exposed_at_risk + row.control_at_risk, 1)
            if isinstance(row, TickRow) and (not found.opened or found.opened[-1][1] != row.ring):
                found.opened.append((row.at, row.ring))
        fold.take(rows[taken:end])
        taken = end
        for curve, value in (
            (found.at, rows[end - 1].at),
            (found.granted, granted),
            (found.failures, failures),
            (found.expected, expected),
            (found.evidence, fold.e),
            (found.window, fold.window),
        ):
            curve.append(float(value))
    found.stops = [(stop.at, word) for stop, word in ((fold.first_pause, "paused"), (fold.halt, "halted")) if stop]
    return found


def _cuts(rows: Sequence[Row]) -> list[int]:
    """Return where to look, at most LOOKS times and evenly in time, and after each grant."""
    at = np.array([row.at for row in rows])
    grid = np.searchsorted(at, np.linspace(at[0], at[-1], LOOKS), side="right")
    grants = [n + 1 for n, row in enumerate(rows) if isinstance(row, AdoptionRow) and row.adoption == "granted"]
    return sorted({int(cut) for cut in [*grid, *grants[:LOOKS], len(rows)] if cut > 1})
