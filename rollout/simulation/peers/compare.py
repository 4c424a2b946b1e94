"""All rules on the same paths: with their defaults, and each tuned to 1 % false halts.

Three sets of paths: ordinary weeks without any fault or disturbance, on which thresholds are tuned; other weeks without
the fault but with the scenario's disturbances, on which false halts are counted; and the scenario's own.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from policies.document import Policy
from rollout.simulation.answer import spread, wilson
from rollout.simulation.crowd import each_run
from rollout.simulation.peers.path import Path, record
from rollout.simulation.peers.rules import RULES, Rule
from rollout.simulation.scenario import Disturbance, Fault, Scenario

FALSE_HALTS: Final = 0.01
SETS: Final = 3
JUDGE: Final = "this judge"


def compare(
    scenario: Scenario,
    policy: Policy,
    seed: int,
    runs: int,
    jobs: int,
    shown: Callable[[Iterator[Path]], Iterator[Path]],
) -> list[dict[str, Any]]:
    """Return a row for each rule and way of setting it; `shown` may show progress over SETS * runs paths."""
    ordinary = scenario.model_copy(update={"fault": Fault(ratio=1.0), "disturbance": Disturbance()})
    harmless = scenario.model_copy(update={"fault": Fault(ratio=1.0)})
    paths = list(shown(_paths([ordinary, harmless, scenario], policy, seed, runs, jobs)))
    tuning, null, fault = paths[:runs], paths[runs : 2 * runs], paths[2 * runs :]
    told = [_row(JUDGE, "default", [p.halt for p in null], [p.halt for p in fault], null, fault, policy.judge.halt_at)]
    for rule in RULES:
        if rule.name == "clairvoyant SPRT" and scenario.fault.ratio <= 1.0:
            continue
        tuned = _tuned(rule, [_as_if(path, scenario.fault.ratio) for path in tuning])
        for way, threshold in (("default", rule.default), ("tuned", tuned)):
            if threshold is not None:
                false = [_halt(rule, _as_if(path, scenario.fault.ratio), threshold) for path in null]
                found = [_halt(rule, path, threshold) for path in fault]
                told.append(_row(rule.name, way, false, found, null, fault, threshold))
    return told


def _paths(scenarios: Sequence[Scenario], policy: Policy, seed: int, runs: int, jobs: int) -> Iterator[Path]:
    """Yield `runs` paths of each scenario; each set has its own numbers, so that no two share their chance."""
    for number, scenario in enumerate(scenarios):
        yield from each_run(record, scenario, policy, seed, range(number * runs, (number + 1) * runs), jobs)


def _as_if(path: Path, ratio: float) -> Path:
    """Let the clairvoyant test look for the scenario's ratio on a path without it."""
    return replace(path, ratio=ratio)


def _halt(rule: Rule, path: Path, threshold: float) -> float | None:
    course = rule.statistic(path)
    over = course.value >= threshold
    return float(course.at[over.argmax()]) if over.any() else None


def _tuned(rule: Rule, paths: Sequence[Path]) -> float:
    """Return the smallest threshold that at most 1 % of ordinary paths reach."""
    highest = sorted((float(rule.statistic(path).value.max(initial=0.0)) for path in paths), reverse=True)
    return math.nextafter(highest[int(FALSE_HALTS * len(paths))], math.inf)


def _row(
    name: str,
    way: str,
    false: Sequence[float | None],
    found: Sequence[float | None],
    null: Sequence[Path],
    fault: Sequence[Path],
    threshold: float,
) -> dict[str, Any]:
    """Return one line of the table; where a rule never halts, harm and crashes are those of the whole path."""
    falsely, halted = sum(at is not None for at in false), sum(at is not None for at in found)
    until = [path.end if at is None else at for at, path in zip(found, fault, strict=True)]
    return {
        "rule": name,
        "set": way,
        "threshold": threshold,
        "false_halts": falsely / len(null),
        "false_halts_interval": list(wilson(falsely, len(null))),
        "halted": halted / len(fault),
        "halted_interval": list(wilson(halted, len(fault))),
        "hours_to_halt": spread(found),
        "exposed_crashes": spread([_crashes(path, at) for path, at in zip(fault, until, strict=True)]),
        "harmed": spread([float(np.searchsorted(path.harm, at)) for path, at in zip(fault, until, strict=True)]),
    }


def _crashes(path: Path, until: float) -> float:
    return float((path.is_exposed() & path.first & (path.at <= until)).sum())
