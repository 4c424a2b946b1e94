"""Explain: every term of a judgement as a sentence that an operator can read."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from rollout.judge.guards import GUARDS
from rollout.judge.harm import OF_STRATUM
from rollout.judge.measures import OF_MEASURE
from rollout.judge.seen import Hosts
from rollout.judge.verdict import Judgement

LOUDEST: Final = 3
"""Strata that are named: a fleet may have a thousand models."""
HostsOf = Callable[[str | None], Hosts | None]


@dataclass(frozen=True, slots=True)
class Term:
    """One number of a judgement, and what it says."""

    name: str
    value: float | None
    sentence: str


def terms(judged: Judgement, hosts: HostsOf = lambda _: None) -> list[Term]:
    """Return the judgement's terms; `hosts` tells how many are in each arm, of a stratum or (None) of the fleet."""
    return [*_evidence(judged, hosts), *_pace(judged)]


def _evidence(judged: Judgement, hosts: HostsOf) -> Iterator[Term]:
    """What is known of harm."""
    yield Term(
        "e", judged.e, f"Evidence of harm is {judged.e:.3g}: the weighted mean of all guards, which stops the rollout."
    )
    for guard in GUARDS:
        e, arms = judged.guards[guard], judged.seen.arms(guard)
        yield Term(guard, e, f"Guard {guard} is {e:.3g}: {arms.sentence(hosts(None))}.")
    strata = [name for name in judged.guards if name.startswith(OF_STRATUM)]
    loud = sorted(strata, key=lambda name: -judged.guards[name])[:LOUDEST]
    for name in (each for each in loud if judged.guards[each] > 1.0):
        stratum, e = name.removeprefix(OF_STRATUM), judged.guards[name]
        arms = judged.seen.arms("crash_or_dark", strata.index(name))
        yield Term(name, e, f"Guard of stratum {stratum} is {e:.3g}: {arms.sentence(hosts(stratum))}.")
    for name, e in judged.measures.e.items():
        said = f"Measure {name} is {e:.3g}: {judged.measures.seen(name).sentence()}."
        yield Term(OF_MEASURE + name, e, said)
    low, high = judged.ratio
    yield Term("ratio", high if high is not None else low, judged.interval)


def _pace(judged: Judgement) -> Iterator[Term]:
    """How many hosts may be at risk, and why."""
    yield Term(
        "early-life",
        judged.early_life,
        f"At most {judged.early_life:.2%} of adoptions fail: {judged.x} of the first {judged.n} did or are overdue.",
    )
    yield Term("window", judged.window, f"{judged.outstanding} adoptions are unconfirmed, {judged.window} may be.")
    if judged.windows:
        name = min(judged.windows, key=judged.windows.__getitem__)
        narrow = judged.windows[name]
        yield Term("window-of-stratum", narrow, f"The narrowest window of a stratum is that of {name}: {narrow}.")
    yield Term("overdue", judged.overdue, f"{judged.overdue} adoptions are overdue.")
